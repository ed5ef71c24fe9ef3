"""The storage contract on a server that speaks S3."""

import contextlib

import pytest

from bottlebank.cache import CacheFolder
from bottlebank.cache.objects.address import address_of
from bottlebank.cache.objects.object_storage import open_objects
from tests.cache.contract import StoreContract
from tests.cache.faults import PRINT
from tests.cache.storage_contract import StorageContract


class TestObjectStorage(StorageContract):
    @pytest.fixture
    def storage(self, url):
        return open_objects(address_of(url))


class TestFeatureCacheOnObjects(StoreContract):
    @pytest.fixture
    def open_folder(self, url):
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(CacheFolder(url, create=True))

    @pytest.fixture
    def open_store(self, open_folder):
        return lambda variant="float32": open_folder().open(PRINT, variant)
