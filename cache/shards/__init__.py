"""Shards: the immutable files in which rows are kept, and how they are written and read."""
