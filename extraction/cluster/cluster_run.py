"""A run whose images are extracted by workers on a cluster; this process is the driver."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cache import Key
from ...cache.pruning.doubles import remove_doubles
from ...errors import CacheError, EngineError, UsageError
from ..image_files import HashedFile
from ..network import CannotRunError, Features
from ..parts.run import RunInParts
from ..prefetch import put_back
from ..run import Run
from .chunks import Chunk, Chunks
from .messages import About, Asked, Committed, Computed, Failed, Finished, Lost, Order, version
from .metrics import Metrics
from .ray_connection import connected, is_local
from .ray_pool import RayPool
from .speeds import Speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...cache import CacheFolder, ContentHash, Variant
    from ...features import Recipe
    from ...features.backbones.weights import Weights
    from ...progress import Progress
    from ..image_files import ImageFile
    from .messages import Event
    from .ray_pool import PoolWorker
    from .settings import Cluster

logger = logging.getLogger(__name__)

_LOOKED_S = 1.0
_ERRORS = {error.__name__: error for error in (UsageError, CacheError)}


@dataclass(eq=False)
class _InHand:
    """A chunk that a worker has."""

    chunk: Chunk
    claimed: dict[ContentHash, tuple[ImageFile, Sequence[int]]] = field(default_factory=dict)
    """Contents that this worker computes, with the views of each that are not committed."""
    unheard: dict[int, ImageFile] = field(default_factory=dict)
    """Files, by position, that it has not asked about yet."""


class OnCluster(Run):
    """What runs on a cluster have in common.

    This process holds the lock of the cache for all workers, and decides what each of them
    computes: no two are given the same image. A worker commits its own shards. What is lost with a
    worker is given to another; where one that was thought lost has committed after all, the rows
    that are there twice are removed at the end, or at the start of the next run.
    """

    def __init__(
        self,
        dataset: Any,
        recipe: Recipe,
        weights: Callable[[], Weights],
        folder: CacheFolder,
        variant: Variant,
        *,
        cluster: Cluster,
        **settings: Any,
    ) -> None:
        """See `Run`."""
        super().__init__(dataset, recipe, weights, folder, variant, **settings)
        self._cluster, self._weights, self._settings = cluster, weights, settings
        self._speeds = Speeds()
        self._in_hand: dict[PoolWorker, _InHand] = {}
        self._metrics = Metrics(cluster.metrics_at())
        self._taken_back: dict[ContentHash, Sequence[int]] = {}
        """Views that a lost worker was to compute, and may have committed unheard."""
        self._n_lost = self._n_chunks = 0

    def _extract(self, bar: Progress) -> None:
        cache = self._ledger.cache
        remove_doubles(cache)
        files = self._plan.files()
        first = next(files, None)
        if first is None:
            with self._ledger:
                return
        files = put_back(first, files)
        begun = time.perf_counter()
        with self._metrics, self._ledger, connected(self._cluster.address) as ray:
            self._ledger.writer()  # takes the lock, and makes the folder that workers look for
            bar.note("waiting for workers")
            with RayPool(ray, self._order(is_local(ray)), self._cluster) as pool:
                self._share_out(files, pool, bar, begun)
        remove_doubles(cache)

    def _told_of_cluster(self) -> dict[str, Any] | None:
        """As `Report` has it; None where nothing was extracted."""
        if not self._speeds.names:
            return None
        return {
            "workers": self._speeds.as_json(),
            "stragglers": list(self._speeds.stragglers()),
            "lost": self._n_lost,
            "chunks": self._n_chunks,
        }

    def _order(self, is_local: bool) -> Order:
        settings = self._settings
        weights = self._weights()
        paths = [path for path in (weights.path, *weights.more) if path is not None]
        return Order(
            version=version(),
            recipe=self._recipe,
            weights=weights,
            files={} if is_local else {str(path): path.read_bytes() for path in paths},
            storage=self._folder.storage.below(self._recipe.fingerprint),
            variant=self._variant.name,
            engine=settings["engine"],
            networks=str(self._folder.networks.absolute()),
            max_pixels=settings["max_pixels"],
            most_views=1 + len(self._views.numbers),
            commit_every=settings["commit_every"],
            n_processes=settings["allowed"].n_workers,
            memory_bytes=settings["allowed"].memory_bytes,
        )

    def _share_out(
        self, files: Iterator[ImageFile], pool: RayPool, bar: Progress, begun: float
    ) -> None:
        chunks = Chunks(files, self._plan.n_missing)
        refused: list[Failed] = []
        while True:
            for worker in pool.idle():
                chunk = chunks.take(self._speeds.of(worker.name), pool.n_workers)
                if chunk is None:
                    break
                self._in_hand[worker] = _InHand(
                    chunk, unheard={file.position: file for file in chunk.files}
                )
                pool.give(worker, chunk.files)
            if not self._in_hand and not chunks.n_left:
                self._speeds.end_all()
                return
            for worker, event in pool.events(_LOOKED_S):
                if isinstance(event, About) and not self._speeds.names:
                    self._network.ran_elsewhere(event.engine, time.perf_counter() - begun)
                    bar.start_counting()
                if isinstance(event, Failed) and worker.about is None:
                    pool.drop(worker)
                    if not pool.workers:
                        raise _error_of([*refused, event])
                    if event not in refused:
                        logger.warning("warning: a worker cannot be used: %s", event.reason)
                    refused.append(event)
                    continue
                self._take(worker, event, pool, chunks, bar)
            self._metrics.ready.set(pool.n_ready)
            self._metrics.left.set(chunks.n_left)
            bar.note(self._speeds.in_words(pool.n_ready, pool.n_workers))

    def _take(
        self, worker: PoolWorker, event: Event, pool: RayPool, chunks: Chunks, bar: Progress
    ) -> None:
        if isinstance(event, About):
            self._speeds.begin(worker.name)
            return
        if isinstance(event, Lost):
            self._n_lost += 1
            self._metrics.lost.inc()
            self._speeds.end(worker.name)
        hand = self._in_hand.get(worker)
        if hand is None:
            return
        if isinstance(event, Asked):
            pool.answer(worker, self._new_views(hand, event, bar))
        elif isinstance(event, Computed):
            self._note_computed(hand, event, bar)
        elif isinstance(event, Committed):
            self._ledger.note_shard(event.shard)
            keys = event.shard.key_array().to_list()
            self._done(hand, keys, bar)
            n_images = sum(key.view == 0 for key in keys)
            self._speeds.add(worker.name, n_images)
            self._metrics.images.labels(worker.name).inc(n_images)
        elif isinstance(event, Finished):
            self._n_chunks += 1
            self._metrics.chunks.inc()
            self._waiting.add(event.waited_s)
            self._end_chunk(worker, chunks, bar, "")
        elif isinstance(event, Lost):
            self._end_chunk(worker, chunks, bar, event.reason)
        elif isinstance(event, Failed):
            raise _error_of([event])

    def _new_views(self, hand: _InHand, asked: Asked, bar: Progress) -> list[Sequence[int]]:
        new = self._plan.new_views(asked.files)
        self._ledger.remember(file for file in asked.files if isinstance(file, HashedFile))
        for file, views in zip(asked.files, new, strict=True):
            image = hand.unheard.pop(file.position)
            if not isinstance(file, HashedFile):
                continue
            if views:
                hand.claimed[file.content] = (image, views)
            elif file.content in self._taken_back:
                unheard = self._taken_back.pop(file.content)
                self._ledger.note_rows([Key(file.content, view) for view in unheard])
        bar.update(sum(not views for views in new))
        return new

    def _note_computed(self, hand: _InHand, computed: Computed, bar: Progress) -> None:
        self._note_dark(computed.brightest)
        if computed.rejections:
            none = np.empty((0, self._recipe.width), np.float32)
            self._ledger.keep(Features([], [], none, [], list(computed.rejections)))
            for rejection in computed.rejections:
                hand.claimed.pop(rejection.content, None)
            bar.update(self._plan.n_done([], computed.rejections))
            self._metrics.rejected.inc(len(computed.rejections))

    def _done(self, hand: _InHand, keys: Sequence[Key], bar: Progress) -> None:
        bar.update(self._plan.n_done(keys))
        for key in keys:
            if self._plan.is_done(key.content):
                hand.claimed.pop(key.content, None)
            elif key.content in hand.claimed:
                image, views = hand.claimed[key.content]
                left = [view for view in views if view != key.view]
                hand.claimed[key.content] = image, left

    def _end_chunk(self, worker: PoolWorker, chunks: Chunks, bar: Progress, reason: str) -> None:
        """What of a chunk is not settled, since its worker was lost, is to be extracted again."""
        hand = self._in_hand.pop(worker)
        left = list(hand.unheard.values())
        if hand.claimed:
            self._ledger.look_again()  # for what was committed, and not heard of any more
            for content, (image, views) in hand.claimed.items():
                missing = self._ledger.missing_views(content)
                there = [Key(content, view) for view in views if view not in missing]
                self._ledger.note_rows(there)
                bar.update(self._plan.n_done(there))
                if missing:
                    self._plan.take_back(image, content)
                    self._taken_back[content] = missing
                    left.append(image)
        if left or reason:
            chunks.put_back(hand.chunk, left, reason)


class ClusterRun(OnCluster, Run):
    """As `Run`, on a cluster."""


class ClusterRunInParts(OnCluster, RunInParts):
    """As `RunInParts`, on a cluster."""


RUNS: dict[type[Run], type[OnCluster]] = {Run: ClusterRun, RunInParts: ClusterRunInParts}


def _error_of(failures: Sequence[Failed]) -> Exception:
    """The error that workers met, where there is one reason; else that none can run."""
    counts = Counter((failure.kind, failure.reason) for failure in failures)
    (kind, reason), _ = counts.most_common(1)[0]
    if kind in _ERRORS:
        return _ERRORS[kind](reason)
    if kind != CannotRunError.__name__:
        return EngineError(reason)
    error = CannotRunError(reason)
    error.attempts = list(
        dict.fromkeys(attempt for failure in failures for attempt in failure.attempts)
    )
    return error
