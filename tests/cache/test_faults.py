"""A disk that fails or is full, a kill at every call, flipped bits, torn and deleted files."""

import errno
import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import bottlebank as bb
from bottlebank import atomic_file as atomic
from bottlebank.cache import CacheFolder, Stamp
from bottlebank.cli import main
from bottlebank.errors import CacheError, DamagedShardError, MissingRowsError
from bottlebank.extraction import network
from bottlebank.extraction import run as run_module

from . import faults
from .faults import (
    N_ROWS,
    PRINT,
    RECIPE,
    FaultyOs,
    assert_complete,
    assert_sound,
    fill,
    key,
    raising,
    rows,
)

DISK_FAULTS = [
    (("open",), errno.EROFS),
    (("write",), errno.ENOSPC),
    (("fsync",), errno.EIO),
    (("replace", "link"), errno.EROFS),
]
# The whole command meets one of them in a fast test, and the cache alone all.
OF_THE_COMMAND = [
    pytest.param(*fault, marks=[] if fault[1] == errno.ENOSPC else pytest.mark.slow)
    for fault in DISK_FAULTS
]


@pytest.fixture
def shim(monkeypatch):
    """Put a stand-in for `os` in its place; None takes it away."""

    def put(stand_in):
        monkeypatch.setattr(atomic, "os", os if stand_in is None else stand_in)
        return stand_in

    return put


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.h5")}


@pytest.mark.parametrize(("calls", "number"), DISK_FAULTS)
def test_a_disk_that_fails_at_any_call_costs_no_old_row(tmp_path, shim, calls, number):
    old = range(100, 103)
    fill(tmp_path / "old", old)
    shutil.copytree(tmp_path / "old", tmp_path / "count")
    count = shim(FaultyOs(calls))
    fill(tmp_path / "count")
    assert count.n >= 3
    for at in range(count.n):
        root = tmp_path / str(at)
        shutil.copytree(tmp_path / "old", root)
        before = contents(root / PRINT / "float32")
        shim(FaultyOs(calls, at, raising(number)))
        with pytest.raises(
            CacheError, match=f"(rows could not|cannot) be .*{os.strerror(number)}"
        ) as told:
            fill(root)
        shim(None)
        assert "\n" not in str(told.value)
        assert before.items() <= contents(root / PRINT / "float32").items()
        with CacheFolder(root) as folder:
            cache = folder.open(PRINT, "float32")
            assert_sound(folder, cache)
            assert np.array_equal(cache.rows([key(number) for number in old]), rows(old))
        fill(root)
        assert_complete(root, [*range(N_ROWS), *old])


@pytest.mark.parametrize(("calls", "number"), DISK_FAULTS)
def test_a_disk_that_fails_while_a_new_cache_is_made(tmp_path, shim, calls, number):
    count = shim(FaultyOs(calls))
    fill(tmp_path / "count" / "new")
    assert count.n >= 4  # recipe.json and three shards
    for at in range(count.n):
        root = tmp_path / str(at) / "new"
        shim(FaultyOs(calls, at, raising(number)))
        with pytest.raises(OSError, match=os.strerror(number)):
            fill(root)
        shim(None)
        fill(root)
        assert_complete(root)


def test_a_recipe_that_cannot_be_written_is_an_error_of_the_cache(tmp_path, shim):
    shim(FaultyOs(("write",), 0, raising(errno.ENOSPC)))
    with pytest.raises(CacheError, match="No space left"):
        fill(tmp_path / "new")


@pytest.fixture
def extract(photos, tmp_path, monkeypatch, capsys):
    """Run `bottlebank extract` with a network of no weight: (exit code, stderr)."""

    class Mean:
        engine = "openvino"
        batch_size, n_calls = 8, 2
        recipe = SimpleNamespace(width=512)

        def transfer_values(self, images):
            means = images.mean(axis=(1, 2, 3), dtype=np.float64)
            return np.outer(means, np.arange(512)).astype(np.float32)

    monkeypatch.setattr(network, "open_extractor", lambda *arguments, **settings: Mean())
    monkeypatch.setattr(run_module, "keep_golden_images", lambda *arguments: None)

    def run(cache):
        options = ["--extractor", "random", "--precision", "float32", "--commit-every", "20"]
        code = main(["extract", str(photos), *options, "--cache", str(cache)])
        return SimpleNamespace(code=code, err=capsys.readouterr().err)

    return run


def features(photos, cache):
    settings = {"engine": "openvino", "precision": "float32", "cache": cache}
    table = bb.extract(bb.load_dataset(photos), "random", **settings)
    assert table.report.cached == 60
    return table.features


@pytest.mark.parametrize(("calls", "number"), OF_THE_COMMAND)
def test_the_command_says_it_in_one_line_and_goes_on_later(
    tmp_path, photos, extract, shim, calls, number
):
    count = shim(FaultyOs(calls, short_write=1 << 20))
    assert extract(tmp_path / "whole").code == 0
    shim(None)
    expected = features(photos, tmp_path / "whole")
    for at in range(count.n):
        root = tmp_path / f"cache {at}"
        shim(FaultyOs(calls, at, raising(number), short_write=1 << 20))
        failed = extract(root)
        shim(None)
        assert failed.code == 1
        assert os.strerror(number) in failed.err
        assert failed.err.startswith("bottlebank: ")
        assert failed.err.count("\n") == 1
        assert extract(root).code == 0
        assert np.array_equal(features(photos, root), expected)


def test_killed_at_every_call_of_a_three_shard_run(tmp_path):
    """Each in a process of its own: gone before the call, or in the middle of the write."""
    subprocess.run([sys.executable, faults.__file__, tmp_path], check=True, timeout=120)
    runs = sorted((path for path in tmp_path.iterdir() if path.is_dir()), key=lambda p: int(p.name))
    assert len(runs) > 25
    most_acknowledged = 0
    for root in runs:
        said = (tmp_path / f"{root.name}.acknowledged").read_text().split()
        with CacheFolder(root) as folder:
            cache = folder.open(PRINT, "float32")
            assert_sound(folder, cache)
            acknowledged = [int(word) for word in said]
            found = cache.rows([key(number) for number in acknowledged])
            if acknowledged:
                assert np.array_equal(found, rows(acknowledged))
            assert len(cache) - len(acknowledged) in (0, 4)  # in place, not yet acknowledged
        fill(root)
        assert_complete(root)
        most_acknowledged = max(most_acknowledged, len(acknowledged))
    assert most_acknowledged == N_ROWS


class Sound:
    """A cache in its sound state, from which each trial starts."""

    def __init__(self, base):
        self.root = base / "cache"
        self._copy = base / "copy"
        self.photo = base / "photo.jpg"
        self.photo.touch()
        fill(self._copy)
        with CacheFolder(self._copy) as folder:
            files = [
                (f"/photos/{number}.jpg", Stamp.of(self.photo.stat()), key(number).content)
                for number in range(N_ROWS)
            ]
            folder.remember_files(files)
            with folder.open(PRINT, "float32").writer(RECIPE) as writer:
                writer.reject(key(99).content, b"bad.jpg", "empty")

    def again(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._copy, self.root)

    @property
    def index(self):
        return self.root / "index.sqlite"

    def shards(self):
        return sorted((self.root / PRINT / "float32").glob("*.h5"))


@pytest.fixture
def sound(tmp_path):
    logging.getLogger("bottlebank").setLevel(logging.ERROR)
    yield Sound(tmp_path)
    logging.getLogger("bottlebank").setLevel(logging.NOTSET)


EVERY_KEY = [key(number) for number in range(N_ROWS)]


def reads_or_reports(root):
    """Read every row, compare, and say whether damage was reported instead."""
    with CacheFolder(root) as folder:
        cache = folder.open(PRINT, "float32")
        try:
            found = cache.rows(EVERY_KEY)
        except (DamagedShardError, MissingRowsError):
            return True
        assert np.array_equal(found, rows(range(N_ROWS)))
        return False


def flip(path, chance):
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def harmed_shards(sound, n_trials, harm):
    """Harm one shard after another; returns how often reading reported it."""
    n_reported = 0
    chance = random.Random(n_trials)
    for _ in range(n_trials):
        sound.again()
        path = chance.choice(sound.shards())
        harm(path, chance)
        if chance.random() < 0.5:
            sound.index.unlink()
        n_reported += reads_or_reports(sound.root)
        with CacheFolder(sound.root) as folder:
            assert [damage.path for damage in folder.verify() if damage] == [path]
            cache = folder.open(PRINT, "float32")
            assert list(cache.damaged()) == [path.name]
            assert not any(key(number) in cache for number in lost(path))
        fill(sound.root)  # the next run extracts them again
        with CacheFolder(sound.root) as folder:
            found = folder.open(PRINT, "float32").rows(EVERY_KEY)
            assert np.array_equal(found, rows(range(N_ROWS)))
    return n_reported


def lost(path):
    """Numbers of the rows of a shard."""
    start = 4 * int(path.name[:6])
    return range(start, min(start + 4, N_ROWS))


@pytest.mark.parametrize(
    "n_trials", [20, pytest.param(1000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_flipped_bit_in_a_shard_is_reported_and_its_rows_extracted_again(
    sound, n_trials, record_property
):
    n_reported = harmed_shards(sound, n_trials, flip)
    record_property("reported on reading", n_reported)
    assert n_reported > 0.25 * n_trials  # the others are in gaps, paths, or views: no row of them


def test_a_torn_shard_is_reported_and_its_rows_extracted_again(sound):
    def tear(path, chance):
        os.truncate(path, chance.randrange(path.stat().st_size))

    assert harmed_shards(sound, 20, tear) >= 10


def index_survives(sound, harm, seed):
    """Harm the index; everything that it answers is then true or an error, and it mends itself."""
    sound.again()
    harm(sound.index, random.Random(seed))
    reads_or_reports(sound.root)
    fill(sound.root)  # the next run
    with CacheFolder(sound.root) as folder:
        cache = folder.open(PRINT, "float32")
        assert np.array_equal(cache.rows(EVERY_KEY), rows(range(N_ROWS)))
        assert set(EVERY_KEY) <= set(cache.keys())
        cache.rejections()


@pytest.mark.parametrize(
    "n_trials", [60, pytest.param(1000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_flipped_bit_in_the_index_never_returns_a_wrong_row(sound, n_trials, record_property):
    n_told = 0
    for seed in range(n_trials):
        sound.again()
        flip(sound.index, random.Random(seed))
        try:
            n_told += reads_or_reports(sound.root)
        except CacheError:
            n_told += 1
    record_property("told as an error", n_told)


@pytest.mark.slow
def test_a_flipped_bit_in_the_index_costs_nothing_but_time(sound, record_property):
    stuck = []
    for seed in range(1000):
        try:
            index_survives(sound, flip, seed)
        except (CacheError, TypeError, AssertionError) as error:
            stuck.append(f"{seed}: {type(error).__name__}: {error}"[:100])
    record_property("stuck", len(stuck))
    assert stuck == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shard SET name = name || x'00'",
        "UPDATE shard SET name = CAST(x'ff' AS TEXT) WHERE rowid = 1",
        "UPDATE shard SET keys = CAST(keys AS TEXT)",
        "UPDATE shard SET keys = zeroblob(length(keys))",
        "UPDATE shard SET checksums = NULL",
        "UPDATE shard SET about = 7",
        "UPDATE shard SET seal = NULL",
        "UPDATE shard SET variant = x'00'",
        "UPDATE file SET key = 7, size = 'x'",
        "DELETE FROM shard",
        "ALTER TABLE shard RENAME TO shart",
        "ALTER TABLE damaged RENAME COLUMN reason TO season",
    ],
)
def test_a_wrong_entry_of_the_index(sound, statement):
    def harm(path, chance):
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()

    index_survives(sound, harm, 0)


def test_a_flipped_bit_in_the_remembered_hash_of_a_file_is_never_returned(sound):
    """A wrong hash of a weights file is a wrong fingerprint: every image is extracted again."""
    sound.again()
    content = sound.index.read_bytes()
    flipped = bytearray(key(3).content)
    flipped[20] ^= 1
    sound.index.write_bytes(content.replace(key(3).content, flipped))
    with CacheFolder(sound.root) as folder:
        [known] = folder.known_contents([("/photos/3.jpg", sound.photo.stat())])
    assert known in (None, key(3).content)


def test_an_index_that_is_full_costs_no_row(sound):
    """It is derived: the run goes on with an index in memory."""
    sound.again()
    new = range(100, 1100)
    with CacheFolder(sound.root) as folder:
        connection = folder.index._database._connection
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={n_pages + 1}")
        cache = folder.open(PRINT, "float32")
        with cache.writer(RECIPE) as writer:
            for number in new:
                writer.add(key(number), b"p", np.full(64, number, np.float32))
        assert len(cache) == N_ROWS + len(new)
    with CacheFolder(sound.root) as folder:
        cache = folder.open(PRINT, "float32")
        assert len(cache) == N_ROWS + len(new)
        assert np.array_equal(cache.rows(EVERY_KEY), rows(range(N_ROWS)))


FULL_DISK = """
import sys
from pathlib import Path
import numpy as np
from bottlebank.cache import CacheFolder, Key, content_of_bytes
from bottlebank.errors import CacheError

with CacheFolder(sys.argv[1], create=True) as folder:
    try:
        with folder.open("f" * 64, "float32").writer({}, commit_every_rows=16) as writer:
            for number in range(2000):
                row = np.full(512, number, np.float32)
                writer.add(Key(content_of_bytes(b"%d" % number)), b"p", row)
    except CacheError as error:
        print(str(error).replace("\\n", "|"))
with CacheFolder(sys.argv[1]) as folder:
    cache = folder.open("f" * 64, "float32")
    found = cache.rows([Key(content_of_bytes(b"%d" % number)) for number in range(len(cache))])
    assert (found[:, 0] == np.arange(len(cache))).all()
    print(len(cache) % 16, len(cache) > 0)
"""


@pytest.mark.parametrize("size", ["300k", "500k"])
def test_a_disk_that_is_really_full(tmp_path, size):
    """A memory disk of its own: shards and index fill it together, in one order or the other."""
    mount = f"mount -t tmpfs -o size={size} none {tmp_path}"
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    run = f'{mount} && exec "$0" -c "$1" {tmp_path}/cache'
    command = [*inside, run, sys.executable, FULL_DISK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told, rest = done.stdout.splitlines()
    assert "No space left" in told or "is full" in told
    assert rest == "0 True"


def test_a_torn_index_costs_nothing_but_time(sound):
    def tear(path, chance):
        os.truncate(path, chance.randrange(path.stat().st_size))

    for seed in range(20):
        index_survives(sound, tear, seed)


def test_rows_of_a_deleted_shard_are_missing_and_extracted_again(sound):
    for position in range(3):
        sound.again()
        path = sound.shards()[position]
        gone = lost(path)
        with CacheFolder(sound.root) as folder:
            reader = folder.open(PRINT, "float32")
            path.unlink()  # while it is open: the index still names it
            with pytest.raises(MissingRowsError, match="4 of 12 rows are not in"):
                reader.rows(EVERY_KEY)
            assert [n for n in range(N_ROWS) if key(n) not in reader] == list(gone)
            kept = [n for n in range(N_ROWS) if n not in gone]
            assert np.array_equal(reader.rows([key(n) for n in kept]), rows(kept))
        fill(sound.root)
        assert_complete(sound.root)
