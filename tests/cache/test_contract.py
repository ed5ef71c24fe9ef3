"""The cache of shards keeps the contract of a store, whatever storage its shards are in."""

import contextlib

import pytest

from bottlebank.cache import CacheFolder, FeatureCache
from bottlebank.cache.index import Index

from .contract import StoreContract
from .faults import PRINT
from .memory_storage import MemoryStorage


class TestFeatureCache(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        with contextlib.ExitStack() as stack:

            def open_store(variant="float32"):
                folder = stack.enter_context(CacheFolder(tmp_path / "cache", create=True))
                return folder.open(PRINT, variant)

            yield open_store


class TestFeatureCacheInMemory(StoreContract):
    """Nothing but the index, which is derived, touches a disk."""

    @pytest.fixture
    def open_store(self, tmp_path):
        storage = MemoryStorage()
        with contextlib.ExitStack() as stack:

            def open_store(variant="float32"):
                index = Index(tmp_path)
                stack.callback(index.close)
                return FeatureCache(storage, PRINT, variant, index)

            yield open_store
        assert [path.name for path in tmp_path.iterdir()] == ["index.sqlite"]
