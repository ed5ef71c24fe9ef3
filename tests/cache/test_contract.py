"""The cache of shards keeps the contract of a store, whatever storage its shards are in."""

import contextlib

import pytest

from bottlebank.cache import CacheFolder

from .contract import StoreContract
from .faults import PRINT
from .memory_storage import MemoryStorage


class TestFeatureCache(StoreContract):
    @pytest.fixture
    def open_folder(self, tmp_path):
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(CacheFolder(tmp_path / "cache", create=True))

    @pytest.fixture
    def open_store(self, open_folder):
        return lambda variant="float32": open_folder().open(PRINT, variant)


class TestFeatureCacheInMemory(TestFeatureCache):
    """Nothing but the index, which is derived, touches a disk."""

    @pytest.fixture
    def open_folder(self, tmp_path):
        storage = MemoryStorage()
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(CacheFolder(tmp_path, storage=storage))
        assert [path.name for path in tmp_path.iterdir()] == ["index.sqlite"]
