import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bottlebank.cache.local_storage import LocalStorage

from .memory_storage import MemoryStorage
from .storage_contract import StorageContract


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return LocalStorage(tmp_path / "cache")


class TestLocalStorageWithoutHardLinks(StorageContract):
    """As on most memory sticks."""

    @pytest.fixture
    def storage(self, tmp_path, monkeypatch):
        def link(source, target):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", link)
        return LocalStorage(tmp_path / "cache")


def test_of_many_local_writers_at_once_one_puts_a_blob(tmp_path):
    storage = LocalStorage(tmp_path)
    n_writers = 8
    start = threading.Barrier(n_writers)

    def put(name, number):
        def parts():
            yield b"%d" % number
            start.wait()  # what comes now is the end of every one

        try:
            storage.put(name, parts())
        except FileExistsError:
            return None
        return b"%d" % number

    with ThreadPoolExecutor(n_writers) as pool:
        for name in map(str, range(20)):
            done = list(pool.map(put, [name] * n_writers, range(n_writers)))
            (first,) = [number for number in done if number is not None]
            assert (tmp_path / name).read_bytes() == first
    assert len(storage.list()) == 20, "temporary files are left"


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()
