import errno
import fcntl
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from bottlebank import atomic_file as atomic
from bottlebank.cache import CacheFolder, Key
from bottlebank.cache.database import Database
from bottlebank.cache.shards.key_map import KeyMap
from bottlebank.errors import (
    CacheError,
    CacheLockedError,
    DamagedShardError,
    MissingRowsError,
)

from .faults import shard_paths

PRINT = "f" * 64
RECIPE = {"extractor": "fake"}


@pytest.fixture
def folder(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        yield folder


def row(number: int, width: int = 16) -> np.ndarray:
    return np.random.default_rng(number).normal(size=width).astype(np.float32)


def key(number: int) -> Key:
    return Key(number.to_bytes(32, "big"))


def fill(folder, numbers, every=2048):
    cache = folder.open(PRINT, "float32")
    with cache.writer(RECIPE, commit_every_rows=every) as writer:
        for number in numbers:
            writer.add(key(number), b"photos/%d.jpg" % number, row(number))
    return cache


def test_rows_come_in_the_order_asked_for(folder):
    cache = fill(folder, range(50), every=8)
    assert len(shard_paths(cache)) == 7
    asked = [49, 0, 7, 8, 7, 30, 0]
    found = cache.rows([key(number) for number in asked])
    assert np.array_equal(found, np.array([row(number) for number in asked]))
    assert len(cache) == 50
    assert key(3) in cache
    assert key(50) not in cache
    assert cache.keys() == [key(number) for number in range(50)]
    assert cache.paths()[key(9)] == b"photos/9.jpg"


def test_a_later_process_goes_on(folder, tmp_path):
    fill(folder, range(10), every=4)
    with CacheFolder(tmp_path / "cache") as again:
        cache = fill(again, range(10, 15))
        assert np.array_equal(cache.rows([key(12), key(2)]), np.array([row(12), row(2)]))
        assert [path.name[:6] for path in shard_paths(cache)] == [
            "000000",
            "000001",
            "000002",
            "000003",
        ]
    assert json.loads((tmp_path / "cache" / PRINT / "recipe.json").read_text()) == RECIPE


def test_missing_rows_are_an_error_never_zeros(folder):
    cache = fill(folder, range(3))
    with pytest.raises(MissingRowsError, match="1 of 2 rows are not in"):
        cache.rows([key(1), key(9)])


def test_a_deleted_shard_is_missing_rows(folder):
    cache = fill(folder, range(12), every=4)
    shard_paths(cache)[1].unlink()
    cache.refresh()
    assert [number for number in range(12) if key(number) in cache] == [0, 1, 2, 3, 8, 9, 10, 11]
    fill(folder, range(4, 8))
    assert np.array_equal(folder.open(PRINT, "float32").rows([key(5)]), [row(5)])


def test_rejections_are_remembered_with_path_and_reason(folder):
    cache = folder.open(PRINT, "float32")
    with cache.writer(RECIPE) as writer:
        writer.reject(key(1).content, b"bad\xff.jpg", "the file is empty (0 bytes)")
    again = folder.open(PRINT, "float32")
    assert again.rejection(key(1).content) == "the file is empty (0 bytes)"
    assert again.rejection(key(2).content) is None
    assert again.rejections() == [(b"bad\xff.jpg", "the file is empty (0 bytes)")]
    assert key(1) not in again


def test_what_was_added_is_committed_when_the_block_is_left_by_an_error(folder):
    cache = folder.open(PRINT, "float32")
    with pytest.raises(KeyboardInterrupt, match="now"), cache.writer(RECIPE) as writer:
        writer.add(key(1), b"1", row(1))
        raise KeyboardInterrupt("now")
    assert np.array_equal(folder.open(PRINT, "float32").rows([key(1)]), [row(1)])


def test_a_commit_is_due_after_its_time(folder):
    cache = folder.open(PRINT, "float32")
    with cache.writer(RECIPE, commit_every_s=0) as writer:
        writer.add(key(1), b"1", row(1))
        assert len(shard_paths(cache)) == 1


def test_a_second_writer_fails_fast_and_changes_nothing(folder, tmp_path):
    cache = fill(folder, range(3))
    script = (
        "import sys; from bottlebank.cache import CacheFolder\n"
        f"with CacheFolder({str(folder.root)!r}) as f, f.open({PRINT!r}, 'float32').writer({{}}):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    before = {path: path.read_bytes() for path in cache.folder.iterdir()}
    start = time.monotonic()
    with pytest.raises(CacheLockedError, match=f"process {holder.pid} on"), cache.writer(RECIPE):
        pass
    assert time.monotonic() - start < 1
    assert {path: path.read_bytes() for path in cache.folder.iterdir()} == before
    assert np.array_equal(cache.rows([key(2)]), [row(2)])  # readers never block
    holder.kill()
    holder.communicate()
    fill(folder, range(3, 5))  # the kernel released the lock of the killed process


def test_a_file_system_without_locks_is_refused_and_nothing_is_written(folder, monkeypatch):
    cache = fill(folder, range(3))
    before = sorted(cache.folder.iterdir())

    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        with pytest.raises(CacheError, match=r"No locks available.*--cache on a local disk"):
            fill(folder, [7])
    assert sorted(cache.folder.iterdir()) == before
    assert np.array_equal(cache.rows([key(2)]), [row(2)])  # reading needs no lock


def test_leftovers_of_a_kill_are_removed_by_the_next_writer(folder):
    cache = fill(folder, range(3))
    leftover = cache.folder / f"{atomic.TEMPORARY_PREFIX}abc.h5"
    leftover.write_bytes(b"half a shard")
    fill(folder, range(3, 4))
    assert not leftover.exists()


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_fails_is_one_clear_error_and_old_rows_stay(folder, monkeypatch, call):
    cache = fill(folder, range(3))

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(
            CacheError,
            match="could not be written .* No space left|cannot be written: No space left",
        ):
            fill(folder, [7])
    assert sorted(path.suffix for path in cache.folder.iterdir()) == ["", ".h5"]
    assert np.array_equal(cache.rows([key(1)]), [row(1)])
    fill(folder, [7])
    assert key(7) in folder.open(PRINT, "float32")


def test_damaged_rows_are_reported_not_returned(folder):
    cache = fill(folder, range(8), every=4)
    path = shard_paths(cache)[0]
    data = bytearray(path.read_bytes())
    start = data.find(row(2).tobytes())
    data[start + 5] ^= 4
    path.write_bytes(data)
    with pytest.raises(DamagedShardError, match=path.name):
        cache.rows([key(2)])
    assert np.array_equal(cache.rows([key(6)]), [row(6)])
    assert [number for number in range(8) if key(number) in cache] == [4, 5, 6, 7]
    fill(folder, range(4))
    again = folder.open(PRINT, "float32")
    assert np.array_equal(again.rows([key(2), key(6)]), [row(2), row(6)])
    assert list(again.damaged()) == [path.name]
    damage = [found for found in folder.verify() if found is not None]
    assert [found.path for found in damage] == [path]


def test_an_unreadable_shard_counts_as_missing_rows(folder, tmp_path, caplog):
    cache = fill(folder, range(8), every=4)
    shard_paths(cache)[0].write_bytes(b"not HDF5")
    (folder.root / "index.sqlite").unlink()
    with CacheFolder(folder.root) as again:
        reopened = again.open(PRINT, "float32")
        assert list(reopened.damaged()) == [shard_paths(cache)[0].name]
        assert key(1) not in reopened
        assert key(5) in reopened
    assert "is damaged" in caplog.text


def test_a_read_only_cache_works(folder, monkeypatch):
    import sqlite3

    fill(folder, range(5))
    folder.index.close()

    def refuse(database):
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    monkeypatch.setattr(Database, "_connect", refuse)
    before = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")}
    with CacheFolder(folder.root) as reader:
        cache = reader.open(PRINT, "float32")
        assert np.array_equal(cache.rows([key(3)]), [row(3)])
        assert len(cache) == 5
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")} == before


def test_a_cache_that_is_not_there_is_empty_and_stays_absent(tmp_path):
    with CacheFolder(tmp_path / "none") as folder:
        assert folder.fingerprints() == []
        assert list(folder.all()) == []
        assert len(folder.open(PRINT, "float32")) == 0
    assert not (tmp_path / "none").exists()


def test_a_cache_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="is a file; --cache takes a folder"):
        CacheFolder(tmp_path / "file", create=True)
    with pytest.raises(CacheError, match=r"cannot be created: .*name another with --cache"):
        CacheFolder(tmp_path / "file" / "below", create=True)


def test_variants_never_mix(folder):
    fill(folder, range(3))
    with folder.open(PRINT, "bfloat16").writer(RECIPE) as writer:
        writer.add(key(1), b"1", row(100))
        writer.add(key(9), b"9", row(9))
    assert np.array_equal(folder.open(PRINT, "float32").rows([key(1)]), [row(1)])
    assert np.array_equal(folder.open(PRINT, "bfloat16").rows([key(1)]), [row(100)])
    assert key(9) not in folder.open(PRINT, "float32")
    assert folder.variants(PRINT) == ["float32", "bfloat16"]  # the one with more rows first
    assert folder.fingerprints() == [PRINT]


def test_the_variants_are_ordered_without_reading_their_keys(folder, monkeypatch):
    fill(folder, range(3))
    with folder.open(PRINT, "bfloat16").writer(RECIPE) as writer:
        writer.add(key(1), b"1", row(100))
    monkeypatch.setattr(KeyMap, "_places", None)
    assert folder.variants(PRINT) == ["float32", "bfloat16"]
