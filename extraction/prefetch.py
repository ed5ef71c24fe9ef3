"""Working ahead in threads, with bounded memory and in order."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ..fork_safety import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@contextlib.contextmanager
def threads(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that finish what they have begun, and nothing more, when the block is left."""
    pool, owner = ThreadPoolExecutor(n_threads), _owner()
    try:
        yield pool
    finally:
        if owner.is_here:
            pool.shutdown(cancel_futures=True)


def prefetch(
    pool: Executor,
    function: Callable[[_In], _Out],
    items: Iterable[_In],
    n_prefetch: int,
    *,
    n_bytes: Callable[[_In], int] = lambda item: 0,
    max_bytes: int = 0,
    waiting: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> Iterator[_Out]:
    """Like ``map(function, items)``, with at most `n_prefetch` items begun and not yet taken.

    Parameters
    ----------
    items
        Drawn from in the calling thread, so that it may be another `prefetch`.
    n_bytes, max_bytes
        Memory that an item takes, and how much those begun may take together; one that takes more
        is begun alone.
    waiting
        Entered while the caller waits for a result.

    Raises
    ------
    OtherProcessError
        When it is gone on with in a process that was forked since it began: the threads are not
        there, and what they had locked stays so.
    """
    owner = _owner()
    begun: deque[tuple[Future[_Out], int]] = deque()
    begun_bytes = 0

    def take() -> _Out:
        nonlocal begun_bytes
        owner.check()
        future, size = begun.popleft()
        begun_bytes -= size
        with waiting():
            return future.result()

    try:
        for item in items:
            size = n_bytes(item)
            while begun and begun_bytes + size > max_bytes and size:
                yield take()
            begun.append((pool.submit(function, item), size))
            begun_bytes += size
            del item
            if len(begun) >= n_prefetch:
                yield take()
        while begun:
            yield take()
    finally:
        for future, _ in begun if owner.is_here else ():
            future.cancel()


def _owner() -> Owner:
    return Owner("what is under way", "Begin it anew in each process")


def put_back(item: _In, items: Iterator[_In]) -> Iterator[_In]:
    """First an item that was taken out, then the others; it is not held once it is taken again."""
    held = [item]
    del item
    yield held.pop()
    yield from items


def groups_of(
    n: int,
    items: Iterable[_In],
    *,
    n_bytes: Callable[[_In], int] = lambda item: 0,
    max_bytes: int = 0,
) -> Iterator[list[_In]]:
    """Lists of `n` items; of fewer at the end, or where they would take more than `max_bytes`."""
    group: list[_In] = []
    size = 0
    for item in items:
        more = n_bytes(item)
        if group and more and size + more > max_bytes:
            yield group
            group, size = [], 0
        group.append(item)
        size += more
        if len(group) == n:
            yield group
            group, size = [], 0
    if group:
        yield group
