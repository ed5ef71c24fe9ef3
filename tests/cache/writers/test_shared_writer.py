"""Rows that several writers add at the same time: none is lost, and none is there twice."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bottlebank.atomic_file import TEMPORARY_PREFIX
from bottlebank.cache import CacheFolder
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.writers.redundancy import remove_redundant
from bottlebank.errors import CacheError, CacheLockedError

from ..faults import PRINT, RECIPE, key, row, rows, shard_paths
from .racing_writers import add, copies


class Interrupted(LocalStorage):
    """Storage in which something happens just before or after a shard is put, once."""

    def __init__(self, root, before=None, after=None):
        super().__init__(root)
        self.before, self.after = before, after

    def below(self, name):
        below = Interrupted(self.where / name)
        below._root, below.above = self._root, self
        return below

    def put(self, name, parts, *, replace=False):
        top = self
        while hasattr(top, "above"):
            top = top.above
        before, top.before = top.before, None
        if before and not replace:
            before()
        elif before:
            top.before = before
        super().put(name, parts, replace=replace)
        if not replace and top.after:
            after, top.after = top.after, None
            after()


@pytest.fixture
def opened(tmp_path):
    """A function that opens the cache as another process does, with what interrupts it."""
    folders = []

    def open_cache(variant="float32", **interruptions):
        storage = Interrupted(tmp_path / "cache", **interruptions)
        folder = CacheFolder(tmp_path / f"local {len(folders)}", create=True, storage=storage)
        folders.append(folder)
        return folder.open(PRINT, variant)

    yield open_cache
    for folder in folders:
        folder.index.close()


def assert_once(cache, numbers):
    """Each row is there, once, and as it was added."""
    assert copies(cache) == {key(number): 1 for number in numbers}
    assert np.array_equal(cache.rows([key(number) for number in numbers]), rows(numbers))


def test_what_others_have_committed_meanwhile_is_left_out(opened):
    first, second = opened(), opened()
    with first.writer(RECIPE, shared=True) as writer:
        for number in range(6):
            writer.add(key(number), b"1", row(number))
        writer.reject(key(90).content, b"90", "it is no image")
        add(second, [1, 2, 9])
        with second.writer(RECIPE, shared=True) as other:
            other.reject(key(90).content, b"90", "it is no image")
    later = opened()
    assert_once(later, [*range(6), 9])
    assert later.rejections() == [(b"90", "it is no image")]
    first.refresh()
    assert np.array_equal(first.rows([key(9)]), rows([9]))


def test_a_commit_of_what_is_there_writes_nothing(opened):
    add(opened(), range(4))
    before = shard_paths(opened())
    add(opened(), range(4))
    assert shard_paths(opened()) == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("seed", range(3))  # which of two names is lower is chance
def test_of_equal_rows_of_the_same_moment_one_copy_stays(opened, when, seed):
    other = opened()
    interruption = {when: lambda: add(other, range(5), b"other %d")}
    add(opened(**interruption), range(5), b"%d seed " + b"%d" % seed)
    assert_once(opened(), range(5))
    assert len(shard_paths(opened())) == 1


def test_the_very_same_shard_of_two_writers_is_one(opened):
    other = opened()
    add(opened(before=lambda: add(other, range(5))), range(5))
    assert_once(opened(), range(5))


@pytest.mark.parametrize("seed", range(6))
def test_any_overlap_of_writers_that_interrupt_one_another_is_settled(opened, seed):
    chance = random.Random(seed)
    plans = [chance.sample(range(20), chance.randint(1, 12)) for _ in range(4)]
    caches = [opened()]
    for number in range(1, 4):
        interruptions = {
            chance.choice(["before", "after"]): lambda number=number: add(
                caches[number - 1], plans[number - 1], b"%d" % number + b"/%d.jpg"
            )
        }
        caches.append(opened(**interruptions))
    add(caches[3], plans[3])
    assert_once(opened(), sorted(set().union(*map(set, plans))))
    # Also for those that had it open meanwhile.
    for cache in caches:
        cache.refresh()
        assert np.array_equal(cache.rows([key(plans[0][0])]), rows([plans[0][0]]))


def test_half_precision_is_not_rounded_twice(opened):
    def expected(numbers):
        return rows(numbers).astype(np.float16).astype(np.float32)

    other = opened("float32-float16")
    add(opened("float32-float16", after=lambda: add(other, range(3, 9))), range(5))
    later = opened("float32-float16")
    assert copies(later) == {key(number): 1 for number in range(9)}
    found = later.rows([key(number) for number in range(9)])
    assert np.array_equal(found, expected(range(9)))


def test_a_copy_of_damaged_rows_stays(opened):
    def meanwhile():
        add(other, range(5), b"other %d")
        (path,) = shard_paths(other)
        data = bytearray(path.read_bytes())
        data[data.index(row(0).tobytes())] ^= 1
        # Its name is lower than any that the other writer may choose.
        path.unlink()
        path.with_name(f"000000-{path.name.partition('-')[2]}").write_bytes(data)

    other = opened()
    cache = opened(before=meanwhile)
    add(cache, range(5))
    damaged, sound = shard_paths(opened())
    assert damaged.name.startswith("000000-")
    assert [path.name for path in (damaged,)] == list(cache.damaged())
    assert np.array_equal(cache.rows([key(number) for number in range(5)]), rows(range(5)))
    assert sound.is_file()


def test_rejections_of_the_same_moment_are_kept_once(opened):
    def reject(cache, path):
        with cache.writer(RECIPE, shared=True) as writer:
            writer.reject(key(7).content, path, "the file is empty")
            writer.add(key(1), path, row(1))

    other = opened()
    reject(opened(before=lambda: reject(other, b"a")), b"b")
    later = opened()
    assert_once(later, [1])
    assert [reason for _, reason in later.rejections()] == ["the file is empty"]
    assert len(shard_paths(later)) == 1


def test_what_killed_writers_left_twice_goes_when_all_shards_are_looked_at(opened):
    """Writers that were killed between their commits and looking at those of others."""
    for number in range(3):
        cache = opened()
        with cache.writer(RECIPE) as writer:  # which looks at nobody
            writer._number = 5
            for each in range(number, number + 4):
                writer.add(key(each), b"%d" % number, row(each))
    assert max(copies(opened()).values()) == 3
    cache = opened()
    with cache.storage.writing(shared=True):
        remove_redundant(cache)
    assert_once(opened(), range(6))
    before = shard_paths(cache)
    with cache.storage.writing(shared=True):
        remove_redundant(cache)
    assert shard_paths(cache) == before


def test_those_that_share_and_those_that_do_not_exclude_one_another(opened):
    sharing, alone = opened(), opened()
    with sharing.writer(RECIPE, shared=True):
        refused = pytest.raises(
            CacheLockedError, match=rf"process {os.getpid()} on .* maybe others, which share it"
        )
        with refused, alone.writer(RECIPE):
            pass
        add(opened(), range(3))
    with (
        alone.writer(RECIPE),
        pytest.raises(CacheLockedError, match=f"process {os.getpid()} on"),
    ):
        add(sharing, range(3))
    assert_once(opened(), range(3))


def test_a_disk_that_is_full_is_an_error_and_costs_only_the_open_shard(opened, monkeypatch):
    cache = opened()
    add(cache, range(3))

    def full(self, name, parts, *, replace=False):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Interrupted, "put", full)
    with pytest.raises(CacheError, match="2 rows could not be written .* No space left"):
        add(cache, range(2, 5))
    monkeypatch.undo()
    assert_once(opened(), range(3))


class TestTemporaries:
    """What a writer of a shared folder removes of what others have left."""

    @pytest.fixture
    def folder(self, opened):
        cache = opened()
        add(cache, [0])
        return cache.folder

    def left(self, folder, age_s):
        path = folder / f"{TEMPORARY_PREFIX}{age_s}.h5"
        path.write_bytes(b"half")
        now_s = (folder / "LOCK").stat().st_mtime
        os.utime(path, (now_s - age_s, now_s - age_s))
        return path

    def test_those_of_others_that_may_be_written_stay(self, opened, folder):
        new, old = self.left(folder, 60), self.left(folder, 7200)
        ahead = self.left(folder, -7200)  # as if its clock were ahead
        add(opened(), [1])
        assert [new.exists(), old.exists(), ahead.exists()] == [True, False, True]
        with opened().writer(RECIPE):  # it is alone, so that nobody writes them
            pass
        assert not new.exists()
        assert not ahead.exists()

    def test_one_that_is_being_written_stays_however_old_it_is(self, opened, folder):
        def while_it_is_written():
            (temporary,) = folder.glob(f"{TEMPORARY_PREFIX}*")
            os.utime(temporary, (0, 0))
            add(opened(), [1])
            assert temporary.exists()
            yield b"parts"

        LocalStorage(folder).put("blob", while_it_is_written())
        assert (folder / "blob").read_bytes() == b"parts"

    def test_what_is_no_file_is_left_alone(self, opened, folder):
        pipe, link = folder / f"{TEMPORARY_PREFIX}pipe", folder / f"{TEMPORARY_PREFIX}link"
        os.mkfifo(pipe)
        os.utime(pipe, (0, 0))
        link.symlink_to(folder / "LOCK")
        add(opened(), [1])
        assert (folder / "LOCK").exists()


class Racing:
    """One process that forks writers on demand."""

    def __init__(self):
        script = str(Path(__file__).with_name("racing_writers.py"))
        root = str(Path(__file__).parents[3])
        environment = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([sys.executable, script], env=environment, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.communicate()

    def run(self, root, plans):
        self._process.stdin.write(json.dumps([str(root), plans]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.mark.parametrize(
    "n_rounds", [3, pytest.param(100, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_processes_that_commit_at_once(tmp_path, n_rounds):
    chance = random.Random(n_rounds)
    with Racing() as racing:
        for number in range(n_rounds):
            root = tmp_path / str(number)
            chunk = list(range(chance.randint(1, 30)))
            plans = [
                {"rows": chunk if chance.random() < 0.5 else chance.sample(range(40), 12)}
                for _ in range(chance.randint(2, 5))
            ]
            assert set(racing.run(root, plans)) == {0}
            with CacheFolder(root) as folder:
                numbers = sorted(set().union(*(plan["rows"] for plan in plans)))
                assert_once(folder.open(PRINT, "float32"), numbers)


def test_a_kill_at_any_call_costs_at_most_the_open_shard(tmp_path):
    with Racing() as racing:
        for at in range(20):
            root = tmp_path / str(at)
            plans = [{"rows": list(range(8)), "killed_at": at}, {"rows": list(range(4, 12))}]
            first, second = racing.run(root, plans)
            assert second == 0
            with CacheFolder(root) as folder:
                cache = folder.open(PRINT, "float32")
                assert {key(number) for number in range(4, 12)} <= set(cache.keys())
                for path in cache.folder.glob(f"{TEMPORARY_PREFIX}*"):
                    os.utime(path, (0, 0))
                add(cache, range(14))
                with cache.storage.writing(shared=True):
                    remove_redundant(cache)
                assert_once(cache, range(14))
                assert list(cache.folder.glob(f"{TEMPORARY_PREFIX}*")) == []
            if first == 0:
                break
            assert first == -9
        else:
            raise AssertionError("it was never left alone")
        assert at >= 4, "too few calls: is it killed at all?"
