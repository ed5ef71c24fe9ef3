"""The registry of backbones, what builds them, and their weights."""
