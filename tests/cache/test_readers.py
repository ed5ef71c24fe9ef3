"""Readers during a write: no error, no wrong row, and what was there stays there."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Stamp
from bottlebank.cache import writer as writer_module
from bottlebank.cache.store import FeatureCache

from .faults import (
    PRINT,
    fill,
    key,
    rows,
)

N_ROWS = 300

WRITER = """
import sys, time
import numpy as np
from bottlebank.cache import CacheFolder, Key, content_of_bytes

root, fingerprint, n_rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
with CacheFolder(root, create=True) as folder:
    with folder.open(fingerprint, "float32").writer({}, commit_every_rows=5) as writer:
        print("writing", flush=True)
        for number in range(n_rows):
            writer.add(Key(content_of_bytes(b"%d" % number)), b"p", np.full(64, number, np.float32))
            time.sleep(0.004)
"""

READER = """
import json, random, sys, time
from bottlebank.cache import CacheFolder, Key, content_of_bytes

root, fingerprint, n_rows, way = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
number_of = {Key(content_of_bytes(b"%d" % number)): number for number in range(n_rows)}
counts, errors = [], []
end = time.monotonic() + 60
folder = CacheFolder(root)
cache = folder.open(fingerprint, "float32")
while (not counts or counts[-1] < n_rows) and time.monotonic() < end:
    try:
        if way == "open again":
            folder.index.close()
            folder = CacheFolder(root)
            cache = folder.open(fingerprint, "float32")
        else:
            cache.refresh()
        keys = cache.keys()
        asked = random.sample(keys, len(keys) // 2)
        found = cache.rows(asked)
        if asked and found[:, 0].tolist() != [number_of[key] for key in asked]:
            errors.append("wrong rows")
        counts += [len(keys), len(cache)]
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
        if len(errors) > 20:
            break
folder.index.close()
print(json.dumps({"counts": counts, "errors": errors}))
"""


def start(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_reader_processes_during_a_write(tmp_path, record_property):
    """Each reads half of the rows that it sees, and counts them, until all are there."""
    root = tmp_path / "cache"
    writer = start(WRITER, root, PRINT, N_ROWS)
    assert writer.stdout.readline() == "writing\n"
    ways = ["open again", "refresh", "open again", "refresh"]
    readers = [start(READER, root, PRINT, N_ROWS, way) for way in ways]
    try:
        _, complaints = writer.communicate(timeout=60)
        assert (writer.returncode, complaints) == (0, "")
        for reader in readers:
            out, complaints = reader.communicate(timeout=60)
            told = json.loads(out)
            record_property("rounds", len(told["counts"]) // 2)
            assert told["errors"] == []
            assert told["counts"] == sorted(told["counts"])
            assert told["counts"][-1] == N_ROWS
            assert complaints == ""  # a lost index would be a warning
    finally:
        for process in [writer, *readers]:
            process.kill()
            process.communicate()


def test_a_reader_that_indexes_a_shard_before_its_writer(tmp_path, monkeypatch, caplog):
    """The rename is the commit: a reader may see the shard before the writer has indexed it."""
    root = tmp_path / "cache"
    fill(root, range(4))
    real = writer_module.write_shard

    def write_shard(*arguments):
        shard = real(*arguments)
        with CacheFolder(root) as reader:
            assert key(7) in reader.open(PRINT, "float32")
        return shard

    with CacheFolder(root) as folder:
        folder.remember_files([("/photo.jpg", Stamp.of(tmp_path.stat()), key(1).content)])
    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "write_shard", write_shard)
        fill(root, range(4, 8))
    assert caplog.text == ""
    with CacheFolder(root) as folder:
        assert len(folder.open(PRINT, "float32")) == 8
        assert folder.known_contents([("/photo.jpg", tmp_path.stat())])[0] == key(1).content


def test_a_shard_that_is_committed_while_a_reader_lists_the_folder(tmp_path, monkeypatch):
    root = tmp_path / "cache"
    fill(root, range(4))
    real = FeatureCache.shard_names
    waiting = [range(4, 8)]

    def shard_names(self):
        found = real(self)
        if waiting:
            fill(root, waiting.pop())
        return found

    with CacheFolder(root) as watcher, CacheFolder(root) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(FeatureCache, "shard_names", shard_names)
            folder.open(PRINT, "float32")
        assert len(watcher.index.contents(f"{PRINT}/float32")) == 2


@pytest.mark.parametrize("misuse", ["closed", "in another thread"])
def test_odd_use_of_an_open_cache_does_not_cost_the_index(tmp_path, misuse):
    """The index remembers the hash of each image: without it, every image is read again."""
    root = tmp_path / "cache"
    fill(root, range(4))
    with CacheFolder(root) as folder:
        folder.remember_files([("/photo.jpg", Stamp.of(tmp_path.stat()), key(1).content)])
        cache = folder.open(PRINT, "float32")
        if misuse == "in another thread":
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(len, cache).result() == 4
    if misuse == "closed":
        with contextlib.suppress(Exception):
            len(cache)
        folder.index.close()
    with CacheFolder(root) as again:
        assert again.known_contents([("/photo.jpg", tmp_path.stat())])[0] == key(1).content


def test_readers_see_a_shard_whole_or_not_at_all(tmp_path):
    """A writer that is stopped in the middle of a shard leaves readers what was there before."""
    root = tmp_path / "cache"
    fill(root, range(8))
    leftover = root / PRINT / "float32" / ".bottlebank-half.h5"
    leftover.write_bytes(os.urandom(3000))
    with CacheFolder(root) as folder:
        cache = folder.open(PRINT, "float32")
        assert len(cache) == 8
        assert np.array_equal(cache.rows([key(3), key(7)]), rows([3, 7]))
    assert leftover.exists()  # readers change nothing
