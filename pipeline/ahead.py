"""Working ahead in threads, with bounded memory and in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def work_ahead(
    pool: Executor, function: Callable[[_In], _Out], items: Iterable[_In], n_ahead: int
) -> Iterator[_Out]:
    """Like ``map(function, items)``, with at most `n_ahead` items begun and not yet taken.

    `items` is drawn from in the calling thread, so that it may be another `work_ahead`.
    """
    begun: deque[Future[_Out]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) >= n_ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
