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


class TestOtherProtocols(StorageContract):
    """What of fsspec is not S3: here one that lives in memory."""

    @pytest.fixture
    def storage(self, tmp_path):
        return open_objects(address_of(f"memory://{tmp_path.name}"))


def test_an_empty_object_in_the_place_of_a_folder_is_no_blob(url, files):
    files.pipe_file(f"{url[5:]}/", b"")
    files.pipe_file(f"{url[5:]}/LOCK/", b"")
    storage = open_objects(address_of(url))
    with storage.writing():
        storage.put("blob", [b"x"])
    assert sorted(storage.list()) == ["LOCK", "blob"]
    assert storage.below("blob").list() == []


class TestFeatureCacheOnObjects(StoreContract):
    @pytest.fixture
    def open_folder(self, url):
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(CacheFolder(url, create=True))

    @pytest.fixture
    def open_store(self, open_folder):
        return lambda variant="float32": open_folder().open(PRINT, variant)
