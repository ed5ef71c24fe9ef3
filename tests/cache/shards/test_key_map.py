from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bottlebank.cache import Key, KeyArray
from bottlebank.cache.shards.key_map import KeyMap, shards_and_rows
from bottlebank.cache.shards.row_reader import Layout
from bottlebank.cache.shards.shard import Contents, Rejection

numbers = st.integers(0, 40)


def key(number: int) -> Key:
    """Of two views of one image each."""
    return Key((number // 2).to_bytes(32, "big"), number % 2)


def contents(name: str, keys: list[int], rejected: list[int] | None = None) -> Contents:
    layout = Layout(len(keys), 4, "float32", 16, 0, 0, 0, b"")
    rejections = [
        Rejection(key(number).content, b"p", f"{name} {number}") for number in rejected or []
    ]
    return Contents(name, layout, KeyArray.of(list(map(key, keys))).packed().tobytes(), rejections)


@given(st.lists(st.lists(numbers, max_size=8), max_size=5), st.lists(numbers, max_size=20))
def test_every_key_is_found_where_it_was_first(shards, asked):
    key_map = KeyMap()
    expected: dict[int, tuple[int, int]] = {}
    for number, keys in enumerate(shards):
        key_map.add(contents(str(number), keys))
        for row, each in enumerate(keys):
            expected.setdefault(each, (number, row))
        assert len(key_map) == len(expected)
    found = key_map.find([key(number) for number in asked])
    assert found.dtype == np.int64
    assert (found >= 0).tolist() == [number in expected for number in asked]
    shard, row = shards_and_rows(found[found >= 0])
    told = list(zip(shard.tolist(), row.tolist(), strict=True))
    assert told == [expected[number] for number in asked if number in expected]
    assert key_map.keys().to_list() == [key(number) for number in expected]


def test_the_last_shard_says_why_an_image_was_rejected():
    key_map = KeyMap()
    key_map.add(contents("a", [], [1, 2]))
    key_map.add(contents("b", [3], [2]))
    reasons = {number: key_map.rejections[key(number).content].reason for number in (1, 2)}
    assert reasons == {1: "a 1", 2: "b 2"}
    assert key(1) not in key_map
    assert key(3) in key_map


def test_threads_that_ask_at_once_find_every_key():
    for _ in range(20):
        key_map = KeyMap()
        for number in range(30):
            key_map.add(contents(str(number), [*range(40 * number, 40 * number + 40)]))
        asked = [key(number) for number in range(1200)]
        with ThreadPoolExecutor(8) as threads:
            found = [*threads.map(key_map.find, [asked] * 8)]
        assert all((places >= 0).all() for places in found)
        assert len(key_map) == 1200
