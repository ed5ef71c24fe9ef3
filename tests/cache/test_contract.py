"""The cache of shards keeps the contract of a store."""

import contextlib

import pytest

from bottlebank.cache import CacheFolder

from .contract import StoreContract
from .faults import PRINT


class TestFeatureCache(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        with contextlib.ExitStack() as stack:

            def open_store(variant="float32"):
                folder = stack.enter_context(CacheFolder(tmp_path / "cache", create=True))
                return folder.open(PRINT, variant)

            yield open_store
