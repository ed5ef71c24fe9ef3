"""The table of backbones, and their weights."""
