"""Transfer values kept for good: immutable HDF5 shards, and an index that can be lost.

May import the root files and ``untrusted``. Nobody else knows what a shard is. A module is imported
when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .directory import CacheFolder
    from .index import Stamp, is_settled
    from .keys import ContentHash, Key, KeyArray, content_of_bytes
    from .shards.shard import Rejection
    from .store import FeatureCache
    from .variant import Variant

__all__ = [
    "CacheFolder",
    "ContentHash",
    "FeatureCache",
    "Key",
    "KeyArray",
    "Rejection",
    "Stamp",
    "Variant",
    "content_of_bytes",
    "is_settled",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "directory": ("CacheFolder",),
        "index": ("Stamp", "is_settled"),
        "keys": ("ContentHash", "Key", "KeyArray", "content_of_bytes"),
        "shards.shard": ("Rejection",),
        "store": ("FeatureCache",),
        "variant": ("Variant",),
    },
)
