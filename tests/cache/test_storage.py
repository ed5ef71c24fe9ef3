import pytest

from bottlebank.cache.local_storage import LocalStorage

from .memory_storage import MemoryStorage
from .storage_contract import StorageContract


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return LocalStorage(tmp_path / "cache")


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()
