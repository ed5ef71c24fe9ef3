"""Rows that two shards have: one of them stays, and it is a sound one."""

import itertools

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.pruning.doubles import remove_doubles
from bottlebank.cache.shards.shard import Rejection
from bottlebank.cache.shards.shard_writer import Rows, write_shard

PRINT = "f" * 64


def key(number: int) -> Key:
    return Key(number.to_bytes(32, "big"))


def commit(cache, number: int, *of: int, rejected: tuple[int, ...] = ()) -> str:
    """A shard as a worker of a cluster commits it: past the lock, and whatever others have."""
    rows = Rows("float32")
    features = np.array([[row + 0.5] * 8 for row in of], np.float32).reshape(-1, 8)
    rows.extend([key(row) for row in of], [b"/x.jpg"] * len(of), features)
    rows.rejections = [Rejection(key(row).content, b"/y.jpg", "torn") for row in rejected]
    return write_shard(cache.storage, number, rows).name


@pytest.fixture
def cache(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        opened = folder.open(PRINT, "float32")
        with opened.writer({}):
            pass
        yield opened


def rows_of(cache) -> dict[int, float]:
    cache.refresh()
    assert cache.n_stored == len(cache)
    keys = cache.keys()
    numbers = [int.from_bytes(each.content, "big") for each in keys]
    return dict(zip(numbers, cache.rows(keys)[:, 0].tolist(), strict=True)) if keys else {}


@pytest.mark.parametrize("order", [*itertools.permutations(((0, 1, 2), (1, 2), (2, 3, 4)))])
def test_each_row_stays_once_in_whatever_order_it_came(cache, order):
    for number, of in enumerate(order):
        commit(cache, number, *of)
    assert remove_doubles(cache) == 3
    assert rows_of(cache) == {row: row + 0.5 for row in range(5)}
    before = cache.shard_names()
    assert remove_doubles(cache) == 0
    assert cache.shard_names() == before


def test_rejections_of_a_shard_whose_rows_go_stay(cache):
    commit(cache, 0, 1, 2)
    commit(cache, 1, 1, 2, rejected=(7,))
    assert remove_doubles(cache) == 2
    assert rows_of(cache) == {1: 1.5, 2: 2.5}
    assert cache.rejection(key(7).content) == "torn"


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_row_stays_in_the_shard_that_is_sound(cache, damaged):
    names = [commit(cache, number, 1, 2, 3) for number in range(2)]
    path = cache.folder / names[damaged]
    with path.open("r+b") as file:
        cache.refresh()
        at = cache._key_map.layouts[damaged].features_at
        file.seek(at + 5)
        file.write(b"\xff\xff")
    remove_doubles(cache)
    assert rows_of(cache) == {1: 1.5, 2: 2.5, 3: 3.5}
    assert list(cache.damaged()) == [names[damaged]]


def test_while_another_process_writes_they_are_left(cache, tmp_path):
    names = {commit(cache, number, 1, 2) for number in range(2)}
    with LocalStorage(cache.folder, tmp_path / "cache").writing():
        assert remove_doubles(cache) == 0
    assert set(cache.shard_names()) == names
    assert remove_doubles(cache) == 2


def test_a_shard_that_goes_meanwhile_is_no_reason_to_end(cache, monkeypatch):
    first, second = (commit(cache, number, 1, 2) for number in range(2))
    cache.refresh()
    listed = cache.shard_names
    monkeypatch.setattr(cache, "shard_names", lambda: [first, second])
    (cache.folder / second).unlink()
    assert remove_doubles(cache) == 0
    monkeypatch.setattr(cache, "shard_names", listed)
    assert rows_of(cache) == {1: 1.5, 2: 2.5}
