import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottlebank.cache import Key, KeyArray, content_of_bytes
from bottlebank.cache.shards import key_numbers as module
from bottlebank.cache.shards.key_numbers import KeyNumbers

numbers = st.integers(0, 40)


def key(number: int) -> Key:
    """Of three views of one image each."""
    return Key((number // 3).to_bytes(32, "big"), number % 3 * 1_000_000_007)


def array(keys: list[int]) -> KeyArray:
    return KeyArray.of(list(map(key, keys)))


def few_digests(keys: KeyArray) -> np.ndarray:
    return keys.contents[:, -1].astype(np.uint64) % np.uint64(2)


@pytest.fixture(params=["digests", "two digests"])
def _digests(request, monkeypatch):
    if request.param == "two digests":
        monkeypatch.setattr(module, "_digests", few_digests)
        monkeypatch.setattr(module, "_digest", lambda key: key.content[-1] % 2)


@pytest.mark.usefixtures("_digests")
def test_keys_have_the_numbers_of_a_dictionary():
    @given(st.lists(st.lists(numbers, max_size=30), max_size=8), st.lists(numbers, max_size=30))
    def check(pieces, asked):
        known, expected = KeyNumbers(), {}
        for first, piece in enumerate(pieces):
            given = np.arange(len(piece)) + 100 * first
            for each, number in zip(piece, given.tolist(), strict=True):
                expected.setdefault(each, number)
            new = known.add(array(piece), given)
            is_first = given == [expected[each] for each in piece]
            assert new.tolist() == is_first.tolist()
            assert len(known) == len(expected)
        found = known.find(array(asked))
        assert found.dtype == np.int64
        assert found.tolist() == [expected.get(each, -1) for each in asked]
        assert [key(each) in known for each in asked] == [each in expected for each in asked]
        assert known.keys().to_list() == [key(each) for each in expected]

    check()


def test_one_key_has_the_digest_that_it_has_among_many():
    keys = [Key(content_of_bytes(b"%d" % n), n * 1_000_003 % (1 << 32)) for n in range(300)]
    digests = module._digests(KeyArray.of(keys))
    assert digests.tolist() == list(map(module._digest, keys))
    assert len(set(digests.tolist())) == 300


def test_keys_that_come_in_many_pieces_lie_in_few_runs():
    known = KeyNumbers()
    keys = [Key(content_of_bytes(b"%d" % n)) for n in range(3000)]
    for first in range(0, 3000, 7):
        piece = keys[first : first + 7]
        assert known.add(KeyArray.of(piece), np.arange(first, first + len(piece))).all()
        assert len(known._runs) <= 12
    assert known.find(KeyArray.of(keys)).tolist() == list(range(3000))
