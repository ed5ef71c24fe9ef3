"""The cache against a dictionary, in any order of what may happen to it."""

import contextlib
import logging
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bottlebank.cache import CacheFolder
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.shards.shard import Shard
from bottlebank.errors import DamagedShardError, MissingRowsError

from .faults import (
    PRINT,
    RECIPE,
    key,
    row,
    rows,
    shard_paths,
)

N_NUMBERS = 30
numbers = st.lists(st.integers(0, N_NUMBERS - 1), min_size=1, max_size=8)


class CacheMachine(RuleBasedStateMachine):
    """`shards` is the dictionary: what each file was given, until it is deleted."""

    @initialize()
    def create(self):
        logging.getLogger("bottlebank").setLevel(logging.ERROR)
        self.base = Path(tempfile.mkdtemp())
        self.root = self.base / "cache"
        self.shards: dict[str, set[int]] = {}
        self.harmed: set[str] = set()
        self.pending: set[int] = set()
        self.writing = contextlib.ExitStack()
        self.writer = None
        self.open()

    def open(self):
        self.folder = CacheFolder(self.root, create=True)
        self.cache = self.folder.open(PRINT, "float32")

    def close(self):
        self.writing.close()
        self.writer = None
        self.note_commit()
        self.folder.index.close()

    def teardown(self):
        if hasattr(self, "base"):
            self.close()
            shutil.rmtree(self.base)
        logging.getLogger("bottlebank").setLevel(logging.NOTSET)

    def note_commit(self):
        """Learn the new shard's name."""
        new = {path.name for path in shard_paths(self.cache)} - self.shards.keys()
        assert len(new) == bool(self.pending)
        for name in new:
            self.shards[name], self.pending = self.pending, set()

    def present(self):
        """What the cache is to have: the rows of each shard of which it knows no damage."""
        sound = self.shards.keys() - self.cache.damaged().keys()
        return set().union(*(self.shards[name] for name in sound))

    @rule(new=numbers)
    def add(self, new):
        if self.writer is None:
            self.writer = self.writing.enter_context(self.cache.writer(RECIPE))
        for number in new:
            if key(number) not in self.cache and number not in self.pending:
                self.writer.add(key(number), b"%d" % number, row(number))
                self.pending.add(number)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def commit(self):
        self.writer.commit()
        self.note_commit()

    @rule()
    def reopen(self):
        self.close()
        self.open()

    @rule()
    def delete_the_index(self):
        self.close()
        (self.root / "index.sqlite").unlink()
        self.open()

    @precondition(lambda self: self.shards)
    @rule(data=st.data())
    def delete_a_shard(self, data):
        name = data.draw(st.sampled_from(sorted(self.shards)))
        (self.cache.folder / name).unlink()
        del self.shards[name]
        self.harmed.discard(name)
        self.cache.refresh()

    @precondition(lambda self: self.shards)
    @rule(data=st.data(), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def flip_a_bit(self, data, where, bit):
        name = data.draw(st.sampled_from(sorted(self.shards)))
        path = self.cache.folder / name
        content = bytearray(path.read_bytes())
        content[int(where * len(content))] ^= 1 << bit
        path.write_bytes(content)
        self.harmed.add(name)

    @precondition(lambda self: self.shards)
    @rule(data=st.data(), bit=st.integers(0, 7))
    def flip_a_bit_of_a_row(self, data, bit):
        name = data.draw(st.sampled_from(sorted(self.shards)))
        number = data.draw(st.sampled_from(sorted(self.shards[name])))
        path = self.cache.folder / name
        content = bytearray(path.read_bytes())
        start = content.find(row(number).tobytes())
        if start >= 0:  # else it has been flipped before
            content[start + 5] ^= 1 << bit
            path.write_bytes(content)
            self.harmed.add(name)

    @rule()
    def verify(self):
        for damage in self.folder.verify():
            assert damage is None or damage.path.name in self.harmed
        self.cache.refresh()
        assert self.cache.damaged().keys() == {
            name for name in self.harmed if not is_sound(self.cache.folder / name)
        }

    @rule(asked=numbers)
    def read(self, asked):
        self.read_all(asked)

    @rule(seed=st.integers(0, 99))
    def read_everything_in_random_order(self, seed):
        self.read_all(random.Random(seed).sample(sorted(self.present()), len(self.present())))

    def read_all(self, asked):
        """The rows that were added, or the reason; damage is reported once a shard."""
        for _ in range(len(self.harmed) + 1):
            before = self.cache.damaged().keys()
            try:
                found = self.cache.rows([key(number) for number in asked])
            except DamagedShardError:
                new = self.cache.damaged().keys() - before
                assert len(new) == 1
                assert new <= self.harmed
            except MissingRowsError:
                assert not set(asked) <= self.present()
                return
            else:
                assert set(asked) <= self.present()
                assert np.array_equal(found, rows(asked).reshape(found.shape))
                return
        pytest.fail("more damage was told than was done")

    @invariant()
    def what_is_there_is_there(self):
        if not hasattr(self, "base"):
            return
        assert self.cache.damaged().keys() <= self.harmed
        present = self.present()
        assert len(self.cache) == len(present)
        assert sorted(self.cache.keys()) == sorted(key(number) for number in present)
        for number in range(0, N_NUMBERS, 5):
            assert (key(number) in self.cache) == (number in present)


def is_sound(path):
    try:
        with Shard(LocalStorage(path.parent), path.name) as shard:
            shard.verify()
    except DamagedShardError:
        return False
    return True


@pytest.mark.parametrize(
    "n_runs", [30, pytest.param(300, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_the_cache_is_a_dictionary_that_may_lose_files_and_never_lies(n_runs):
    run_state_machine_as_test(
        CacheMachine,
        settings=settings(
            max_examples=n_runs,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
