"""Transfer values kept for good: immutable HDF5 shards, and an index that can be lost.

May import the root files and ``untrusted``. Nobody else knows what a shard is.
"""

from .directory import CacheFolder
from .index import is_settled
from .keys import (
    ContentHash,
    Key,
    KeyArray,
    content_of_bytes,
)
from .shard import Rejection
from .store import FeatureCache
from .variant import Variant

__all__ = [
    "CacheFolder",
    "ContentHash",
    "FeatureCache",
    "Key",
    "KeyArray",
    "Rejection",
    "Variant",
    "content_of_bytes",
    "is_settled",
]
