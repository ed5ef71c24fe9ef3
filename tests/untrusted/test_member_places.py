"""Places of members are a dictionary without its memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bottlebank.untrusted import member_places
from bottlebank.untrusted.member_places import Places

NAMES = st.sampled_from(["a", "b", "a/b", "ü", "\udcff", "a\n", "x" * 300])
MEMBERS = st.lists(st.tuples(NAMES, st.integers(0, 1 << 60), st.integers(0, 1 << 60)))


@given(MEMBERS)
def test_as_a_dictionary(members):
    places, expected = Places(members), {name: place for name, *place in members}
    assert len(places) == len(expected)
    assert {name: list(places[name]) for name in places} == expected
    assert [name for name in places if name not in expected] == []
    assert "none" not in places
    assert places.get("none") is None


@given(MEMBERS)
def test_names_with_one_digest(members):
    """Which names have it is not to be known, but it may be any."""
    digest = member_places._digest
    member_places._digest = lambda name: len(name) % 2
    try:
        test_as_a_dictionary.hypothesis.inner_test(members)
    finally:
        member_places._digest = digest


def test_the_order_is_that_of_the_archive():
    members = [("b", 0, 1), ("a", 1, 1), ("b", 2, 1), ("c", 3, 1)]
    assert list(Places(members).items()) == [("a", (1, 1)), ("b", (2, 1)), ("c", (3, 1))]


def test_a_member_takes_few_bytes():
    n = 50_000
    tracemalloc.start()
    places = Places((f"{number:08d}.jpg", 4096 * number, 3000) for number in range(n))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(places) == n
    assert size < 40 * n
