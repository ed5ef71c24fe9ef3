"""Workers on a Ray cluster: actors, each a `ChunkWorker`."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import EngineError, in_brief
from ...formatting import counted
from .chunk_worker import ChunkWorker
from .messages import About, Failed, Finished, Lost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..image_files import ImageFile
    from .messages import Event, Order
    from .settings import Cluster

logger = logging.getLogger(__name__)

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FAILED_STARTS = 5
"""So many workers in a row that end before they are ready say that none will be."""


@dataclass(eq=False)
class PoolWorker:
    """A worker as the driver knows it."""

    actor: Any
    pending: Any
    """What it is waited for with: that it is ready, or what it says of its chunk."""
    about: About | None = None
    """None until it is ready."""
    is_busy: bool = field(default=False)

    @property
    def name(self) -> str:
        """Which one it is, for people."""
        return "starting" if self.about is None else f"{self.about.node}, process {self.about.pid}"


class RayPool(contextlib.AbstractContextManager["RayPool"]):
    """As many workers as the settings say; one that is lost is replaced."""

    def __init__(self, ray: Any, order: Order, cluster: Cluster) -> None:
        """`ray` is connected."""
        self._ray = ray
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cores = [int(each["CPU"]) for each in machines if each.get("CPU", 0) >= 1]
        if cluster.cores is not None:
            cores = [n for n in cores if n >= cluster.cores] or cores
        if not cores and (cluster.cores is None or cluster.workers is None):
            raise EngineError(
                "no machine of the Ray cluster offers a CPU core: where machines are added as they "
                "are needed, say --ray-workers and --cores-per-worker"
            )
        self.n_workers = cluster.workers or len(cores)
        on_each = -(-self.n_workers // max(1, len(cores)))
        n_cores = cluster.cores or max(1, min(cores) // on_each)
        if not any(
            each.get("CPU", 0) >= n_cores and each.get("GPU", 0) >= cluster.gpus
            for each in machines
        ):
            gpus = f" and {cluster.gpus:g} GPUs" if cluster.gpus else ""
            logger.warning(
                "warning: no machine of the cluster has %s%s: waiting until one is added",
                counted(n_cores, "core"),
                gpus,
            )
        self._make = (
            ray.remote(ChunkWorker)
            .options(
                num_cpus=n_cores,
                num_gpus=cluster.gpus,
                max_concurrency=2,
                scheduling_strategy="SPREAD",
            )
            .remote
        )
        self._order = ray.put(order)
        self._n_cores = n_cores
        self._n_failed = 0
        self.workers: list[PoolWorker] = []

    def __enter__(self) -> RayPool:
        """Ask for all of them."""
        for _ in range(self.n_workers):
            self._add()
        return self

    def __exit__(self, *exception: object) -> None:
        """End them, whatever they are at."""
        for worker in self.workers:
            self._end(worker)
        self.workers.clear()

    def _add(self) -> None:
        actor = self._make(self._order, self._n_cores)
        self.workers.append(PoolWorker(actor, actor.begin.remote()))

    def drop(self, worker: PoolWorker) -> None:
        """Do without a worker."""
        self.workers.remove(worker)
        self._end(worker)

    def _end(self, worker: PoolWorker) -> None:
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._ray.kill(worker.actor)

    @property
    def n_ready(self) -> int:
        """Workers that have begun."""
        return sum(worker.about is not None for worker in self.workers)

    def idle(self) -> list[PoolWorker]:
        """Workers that have nothing to do."""
        return [worker for worker in self.workers if worker.about and not worker.is_busy]

    def give(self, worker: PoolWorker, files: Sequence[ImageFile]) -> None:
        """Have a worker extract files."""
        worker.pending = worker.actor.extract.options(num_returns="streaming").remote(files)
        worker.is_busy = True

    def answer(self, worker: PoolWorker, views: Sequence[Sequence[int]]) -> None:
        """Which views it is to decode of the files that it asked about."""
        worker.actor.answer.remote(views)

    def events(self, timeout_s: float) -> Iterator[tuple[PoolWorker, Event]]:
        """What workers have said by now, or say next; nothing after `timeout_s`.

        Raises
        ------
        EngineError
            When workers end one after the other before they are ready, or fail by a mistake.
        """
        waiting = {worker.pending: worker for worker in self.workers if worker.pending is not None}
        if not waiting:
            time.sleep(timeout_s)
            return
        ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=timeout_s)
        for pending in ready:
            worker = waiting[pending]
            try:
                event = self._event_of(worker)
            except self._ray.exceptions.RayActorError as error:
                event = self._replaced(worker, _reason(error))
            except self._ray.exceptions.RayTaskError as error:
                raise EngineError(
                    f"a worker failed, which is a mistake in bottlebank:\n{error}"
                ) from error
            except self._ray.exceptions.RayError as error:
                event = self._replaced(worker, _reason(error))
            if event is not None:
                yield worker, event

    def _event_of(self, worker: PoolWorker) -> Event | None:
        if worker.about is None:
            about = self._ray.get(worker.pending)
            worker.pending = None
            if isinstance(about, About):
                worker.about, self._n_failed = about, 0
            return about
        try:
            event = self._ray.get(next(worker.pending))
        except StopIteration:
            return self._replaced(worker, "it ended without a word")
        if isinstance(event, (Finished, Failed)):
            worker.pending, worker.is_busy = None, False
        return event

    def _replaced(self, worker: PoolWorker, reason: str) -> Lost:
        self.drop(worker)
        if worker.about is None:
            self._n_failed += 1
            if self._n_failed >= _FAILED_STARTS:
                words = (
                    f"{counted(self._n_failed, 'worker')} ended before they were ready: {reason}"
                )
                if not self.n_ready:
                    raise EngineError(words)
                logger.warning("warning: %s; no further ones are started", words)
                return Lost(reason)
        self._add()
        return Lost(reason)

    def give_up(self, worker: PoolWorker, reason: str) -> Lost:
        """Another worker for one that says nothing any more."""
        return self._replaced(worker, reason)


def _reason(error: Exception) -> str:
    """What matters of what Ray tells on many lines."""
    lines = [line for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return in_brief(lines[-1 if "creation task" in lines[0] else 0])
