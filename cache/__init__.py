"""Transfer values kept for good: immutable HDF5 shards, and an index that can be lost.

May import: ``errors`` and ``atomic`` alone. h5py is imported only here and in
``classifier/artifact.py``.
"""

from .folder import CacheFolder
from .keys import Key, key_of_array, key_of_bytes
from .store import FeatureCache
from .variant import Variant

__all__ = ["CacheFolder", "FeatureCache", "Key", "Variant", "key_of_array", "key_of_bytes"]
