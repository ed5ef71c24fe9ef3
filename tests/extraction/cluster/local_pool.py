"""Workers of a cluster in threads of this process, of which a test may lose one at any event."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from bottlebank.extraction.cluster.chunk_worker import ChunkWorker
from bottlebank.extraction.cluster.messages import About, Asked, Failed, Finished, Lost
from bottlebank.extraction.cluster.ray_pool import PoolWorker


class LocalPool(contextlib.AbstractContextManager["LocalPool"]):
    """As `RayPool`.

    A worker that is lost goes on with what it has begun, as one does whose network is cut: it has
    committed it by the time at which the pool is closed.
    """

    n_workers = 2
    lost_at: tuple[int, ...] = ()
    """Numbers of events that are not heard any more; the worker is lost instead."""
    only_at_work = False
    """Whether those that have just started are spared."""
    n_events = 0

    def __init__(self, ray: Any, order: Any, cluster: Any) -> None:
        self._order, self._lost, self._turns = order, [], itertools.count()
        self.workers: list[PoolWorker] = []
        type(self).n_events = 0

    def __enter__(self) -> LocalPool:
        for _ in range(self.n_workers):
            self._add()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.ExitStack() as stack:
            for worker in [*self._lost, *self.workers]:
                stack.callback(worker.actor.close)
                stack.callback(self._finish, worker)

    def _finish(self, worker: PoolWorker) -> None:
        for event in worker.pending or ():
            if isinstance(event, Asked):
                worker.actor.answer([()] * len(event.files))

    def _add(self) -> None:
        self.workers.append(PoolWorker(ChunkWorker(self._order), None))

    def drop(self, worker: PoolWorker) -> None:
        self.workers.remove(worker)
        self._lost.append(worker)

    def give_up(self, worker: PoolWorker, reason: str) -> Lost:
        self.drop(worker)
        self._add()
        return Lost(reason)

    @property
    def n_ready(self) -> int:
        return sum(worker.about is not None for worker in self.workers)

    def idle(self) -> list[PoolWorker]:
        return [worker for worker in self.workers if worker.about and not worker.is_busy]

    def give(self, worker: PoolWorker, files: Any) -> None:
        worker.pending, worker.is_busy = worker.actor.extract(files), True

    def answer(self, worker: PoolWorker, views: Any) -> None:
        worker.actor.answer(views)

    def events(self, timeout_s: float):
        waiting = [worker for worker in self.workers if worker.is_busy or worker.about is None]
        worker = waiting[next(self._turns) % len(waiting)]
        if worker.about is None:
            event = worker.actor.begin()
            if isinstance(event, About):
                worker.about = event._replace(pid=id(worker))
        else:
            event = next(worker.pending)
        type(self).n_events += 1
        is_spared = self.only_at_work and isinstance(event, About)
        if self.n_events - 1 in self.lost_at and not is_spared:
            self.drop(worker)
            if isinstance(event, Asked):
                worker.actor.answer([()] * len(event.files))
            self._add()
            event = Lost("killed")
        elif isinstance(event, (Finished, Failed)):
            worker.is_busy = False
        yield worker, event
