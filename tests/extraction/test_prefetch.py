"""Working ahead: in order, and no further than allowed."""

import weakref
from concurrent.futures import ThreadPoolExecutor

from bottlebank.extraction.prefetch import groups_of, prefetch, put_back


def test_work_ahead_keeps_order_and_bounds_what_is_begun():
    begun, taken, widest = [], 0, 0

    def work(item):
        begun.append(item)
        return -item

    with ThreadPoolExecutor(3) as pool:
        for result in prefetch(pool, work, range(50), 5):
            assert result == -taken
            taken += 1
            widest = max(widest, len(begun) - taken)
    assert taken == 50
    assert widest <= 5


def test_work_ahead_bounds_the_memory_of_what_is_begun():
    sizes = [3, 3, 3, 50, 1, 1, 1, 1, 9, 9, 0, 0, 0, 10, 2]
    begun, taken = [], []
    most = 0

    def n_bytes(size):
        return size

    def work(size):
        begun.append(size)
        return size

    with ThreadPoolExecutor(1) as pool:
        results = prefetch(pool, work, sizes, 6, n_bytes=n_bytes, max_bytes=10)
        for size in results:
            # Those begun by now, and this one, which its future still holds.
            pool.submit(int).result()
            most = max(most, sum(begun) - sum(taken) if size != 50 else 0)
            taken.append(size)
    assert taken == sizes
    assert most <= 10


def test_groups_are_full_but_for_the_last():
    assert list(groups_of(3, range(7))) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(groups_of(3, [])) == []


def test_groups_are_small_where_their_members_are_large():
    sizes = [1, 1, 1, 1, 9, 30, 2, 2, 9, 1]
    groups = groups_of(3, sizes, n_bytes=lambda size: size, max_bytes=10)
    assert list(groups) == [[1, 1, 1], [1, 9], [30], [2, 2], [9, 1]]


def test_what_is_put_back_is_first_and_not_held():
    class Item:
        pass

    item = Item()
    there = weakref.ref(item)
    items = put_back(item, iter([1, 2]))
    del item
    assert there() is next(items)
    assert there() is None
    assert list(items) == [1, 2]
