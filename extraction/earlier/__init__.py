"""What earlier extractions have left in the cache: a network to go on with, and its speed.

May import ``features``, ``cache``, ``datasets`` and below.
"""
