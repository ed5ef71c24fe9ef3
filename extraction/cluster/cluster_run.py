"""A run whose images are extracted by workers on a cluster; this process is the driver."""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cache import Key
from ...cache.local_storage import LocalStorage
from ...cache.pruning.doubles import remove_doubles
from ...errors import CacheError, EngineError, UsageError
from ...features.images.rejection import depends_on_machine
from ..image_files import HashedFile
from ..network import Features
from ..parts.plan import PlanInParts
from ..parts.run import RunInParts
from ..prefetch import put_back
from ..run import Run
from .chunks import Chunk, Chunks
from .failures import error_of
from .messages import About, Asked, Committed, Computed, Failed, Finished, Lost, Order, version
from .metrics import Metrics
from .ray_connection import connected
from .ray_pool import RayPool
from .seen_elsewhere import absolute_files, not_seen_there
from .speeds import Speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ...cache import CacheFolder, ContentHash, Rejection, Variant
    from ...features import Recipe
    from ...features.backbones.weights import Weights
    from ...progress import Progress
    from ..image_files import ImageFile
    from .messages import Event
    from .ray_pool import PoolWorker
    from .settings import Cluster

logger = logging.getLogger(__name__)

_LOOKED_S = 1.0
_PATIENCE_S = 900.0
"""A worker that has said nothing for so long is given up."""
_WAITED_S = 60.0
"""After so long without any worker, that is said."""
_SIGN = "CLUSTER-"


@dataclass(eq=False)
class _InHand:
    """A chunk that a worker has."""

    chunk: Chunk
    claimed: dict[ContentHash, tuple[ImageFile, Sequence[int]]] = field(default_factory=dict)
    """Contents that this worker computes, with the views of each that are not committed."""
    unheard: dict[int, ImageFile] = field(default_factory=dict)
    """Files, by position, that it has not asked about yet."""
    heard_s: float = field(default_factory=time.monotonic)
    """When it said something last."""


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
        with contextlib.suppress(CacheError):  # of which more is said where rows are needed
            remove_doubles(folder.open(recipe.fingerprint, variant.name))
        # What failed here may do on another machine.
        super().__init__(
            dataset, recipe, weights, folder, variant, **{**settings, "retry_rejected": True}
        )
        self._cluster, self._weights, self._settings = cluster, weights, settings
        self._speeds = Speeds()
        self._in_hand: dict[PoolWorker, _InHand] = {}
        self._copies: dict[ContentHash, list[ImageFile]] = {}
        """Files of contents that are being computed of another file."""
        self._metrics = Metrics(cluster.metrics_at())
        self._taken_back: dict[ContentHash, Sequence[int]] = {}
        """Views that a lost worker was to compute, and may have committed unheard."""
        self._refused: list[Failed] = []
        self._n_lost = self._n_chunks = 0

    def _extract(self, bar: Progress) -> None:
        files = self._plan.files()
        first = next(files, None)
        if first is None:
            with self._ledger:
                return
        files = put_back(first, files)
        begun = time.perf_counter()
        with (
            self._metrics,
            self._ledger,
            connected(self._cluster.address) as (ray, is_local),
            self._signed() as sign,
        ):
            bar.note("waiting for workers")
            with RayPool(ray, self._order(is_local, sign), self._cluster) as pool:
                self._share_out(files, pool, bar, begun)
        try:
            remove_doubles(self._ledger.cache)
        except CacheError as error:
            logger.warning("warning: rows that may be there twice are left: %s", error)

    @contextlib.contextmanager
    def _signed(self) -> Generator[str]:
        """Hold the lock, and leave a sign by which workers know the folder; its name."""
        self._ledger.writer()  # takes the lock
        storage, sign = self._ledger.cache.storage, f"{_SIGN}{secrets.token_hex(8)}"
        try:
            for name in storage.list():  # of a driver that was killed
                if name.startswith(_SIGN):
                    storage.delete(name)
            storage.put(sign, [b"The driver of an extraction on a cluster writes here.\n"])
        except OSError as error:
            raise CacheError(
                f"{storage.where} cannot be written: {error.strerror or error}"
            ) from error
        try:
            yield sign
        finally:
            with contextlib.suppress(OSError):
                storage.delete(sign)

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

    def _order(self, is_local: bool, sign: str) -> Order:
        settings, storage = self._settings, self._folder.storage
        if isinstance(storage, LocalStorage):
            storage = LocalStorage(storage.where.absolute())
        weights = self._weights()
        paths = [path for path in (weights.path, *weights.more) if path is not None]
        return Order(
            version=version(),
            recipe=self._recipe,
            weights=weights,
            files={} if is_local else {str(path): path.read_bytes() for path in paths},
            storage=storage.below(self._recipe.fingerprint),
            variant=self._variant.name,
            sign=sign,
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
        self._count_known(chunks)
        ready_s = time.monotonic()
        while True:
            for worker in pool.idle():
                chunk = chunks.take(self._speeds.of(worker.name), pool.n_workers)
                if chunk is None:
                    break
                unheard = {file.position: file for file in chunk.files}
                self._in_hand[worker] = _InHand(chunk, unheard=unheard)
                pool.give(worker, absolute_files(chunk.files))
            if not self._in_hand and not chunks.n_left:
                break
            self._ledger.cache.storage.require_held()
            for worker, event in pool.events(_LOOKED_S):
                if isinstance(event, About) and not self._speeds.names:
                    self._network.ran_elsewhere(event.engine, time.perf_counter() - begun)
                    bar.start_counting()
                self._take(worker, event, pool, chunks, bar)
            self._give_up_silent(pool, chunks, bar)
            if not pool.workers:
                raise EngineError("no worker is left, and none can be started")
            if pool.n_ready or self._in_hand:
                ready_s = time.monotonic()
            elif time.monotonic() - ready_s > _WAITED_S:
                logger.warning("warning: no worker is ready: waiting for a machine that has room")
                ready_s = math.inf
            self._metrics.ready.set(pool.n_ready)
            self._metrics.left.set(chunks.n_left)
            bar.note(self._speeds.in_words(pool.n_ready, pool.n_workers))
        self._speeds.end_all()
        if self._plan.n_unfinished():
            raise EngineError(
                "the extraction has lost count of its images, which is a mistake in bottlebank: "
                "what is committed is kept; run the command again to continue"
            )

    def _count_known(self, chunks: Chunks) -> None:
        """Have files that need not be read leave what is expected to come."""
        plan = self._plan
        if isinstance(plan, PlanInParts):
            note_known = plan.note_known

            def note(n_images: int) -> None:
                note_known(n_images)
                chunks.skip(n_images)

            plan.note_known = note

    def _give_up_silent(self, pool: RayPool, chunks: Chunks, bar: Progress) -> None:
        now_s = time.monotonic()
        for worker, hand in list(self._in_hand.items()):
            if now_s - hand.heard_s > _PATIENCE_S:
                lost = pool.give_up(worker, "it said nothing for a quarter of an hour")
                self._take(worker, lost, pool, chunks, bar)

    def _refuse(self, worker: PoolWorker, failed: Failed, pool: RayPool) -> None:
        """Do without a worker on which it will not do, as long as there are others.

        Raises
        ------
        BottlebankError
            When there are none.
        """
        pool.drop(worker)
        if not pool.workers:
            raise error_of([*self._refused, failed])
        if failed not in self._refused:
            logger.warning("warning: a worker cannot be used: %s", failed.reason)
        self._refused.append(failed)

    def _take(
        self, worker: PoolWorker, event: Event, pool: RayPool, chunks: Chunks, bar: Progress
    ) -> None:
        hand = self._in_hand.get(worker)
        if hand is not None:
            hand.heard_s = time.monotonic()
        if isinstance(event, About):
            self._speeds.begin(worker.name)
        elif isinstance(event, Lost):
            self._n_lost += 1
            self._metrics.lost.inc()
            self._speeds.end(worker.name)
            self._end_chunk(worker, chunks, bar, event.reason)
        elif isinstance(event, Failed):
            self._speeds.end(worker.name)
            self._refuse(worker, event, pool)
            self._end_chunk(worker, chunks, bar, event.reason)
        elif hand is None:
            return
        elif isinstance(event, Asked):
            unseen = not_seen_there(hand.unheard, event)
            if unseen is not None:
                reason = (
                    f"{unseen} is there where the command runs, and not on {worker.name}: keep "
                    f"images where all machines see them under the same path"
                )
                self._take(worker, Failed(UsageError.__name__, reason), pool, chunks, bar)
                return
            self._speeds.add_files(worker.name, len(event.files))
            pool.answer(worker, self._new_views(hand, event, bar))
        elif isinstance(event, Computed):
            self._note_computed(hand, event, bar)
        elif isinstance(event, Committed):
            self._ledger.note_shard(event.shard)
            keys = event.shard.key_array().to_list()
            self._done(hand, keys, bar)
            n_images = len({key.content for key in keys})
            self._speeds.add(worker.name, n_images)
            self._metrics.images.labels(worker.name).inc(n_images)
        elif isinstance(event, Finished):
            self._n_chunks += 1
            self._metrics.chunks.inc()
            self._waiting.add(event.waited_s)
            self._end_chunk(worker, chunks, bar, "")

    def _new_views(self, hand: _InHand, asked: Asked, bar: Progress) -> list[Sequence[int]]:
        new = self._plan.new_views(asked.files)
        self._ledger.remember(file for file in asked.files if isinstance(file, HashedFile))
        for file, views in zip(asked.files, new, strict=True):
            image = hand.unheard.pop(file.position)
            if not isinstance(file, HashedFile):
                continue
            unheard = self._taken_back.pop(file.content, None)
            if views:
                hand.claimed[file.content] = (image, views)
            elif self._plan.is_begun(file.content):
                self._copies.setdefault(file.content, []).append(image)
            elif unheard is not None:
                self._ledger.note_rows([Key(file.content, view) for view in unheard])
                self._plan.count_extracted()
        bar.update(sum(not views for views in new))
        return new

    def _note_computed(self, hand: _InHand, computed: Computed, bar: Progress) -> None:
        self._note_dark(computed.brightest)
        if computed.rejections:
            none = np.empty((0, self._recipe.width), np.float32)
            lasting: list[Rejection] = []
            for rejection in computed.rejections:
                hand.claimed.pop(rejection.content, None)
                self._copies.pop(rejection.content, None)
                if depends_on_machine(rejection.reason):  # on another one, it may do
                    self._ledger.rejected[rejection.content] = rejection.reason
                else:
                    lasting.append(rejection)
            self._ledger.keep(Features([], [], none, [], lasting))
            bar.update(self._plan.n_done([], computed.rejections))
            self._metrics.rejected.inc(len(computed.rejections))

    def _done(self, hand: _InHand, keys: Sequence[Key], bar: Progress) -> None:
        bar.update(self._plan.n_done(keys))
        for key in keys:
            if self._plan.is_done(key.content):
                hand.claimed.pop(key.content, None)
                self._copies.pop(key.content, None)
            elif key.content in hand.claimed:
                image, views = hand.claimed[key.content]
                left = [view for view in views if view != key.view]
                hand.claimed[key.content] = image, left

    def _end_chunk(self, worker: PoolWorker, chunks: Chunks, bar: Progress, reason: str) -> None:
        """What of a chunk is not settled, since its worker was lost, is to be extracted again."""
        hand = self._in_hand.pop(worker, None)
        if hand is None:
            return
        left = list(hand.unheard.values())
        if hand.claimed:
            self._ledger.look_again()  # for what was committed, and not heard of any more
            for content, (image, views) in hand.claimed.items():
                missing = self._ledger.missing_views(content)
                there = [Key(content, view) for view in views if view not in missing]
                self._ledger.note_rows(there)
                bar.update(self._plan.n_done(there))
                copies = self._copies.pop(content, [])
                if missing:
                    self._plan.take_back(content, [file.position for file in (image, *copies)])
                    self._taken_back[content] = missing
                    bar.update(-len(copies))
                    left += [image, *copies]
        if left or reason:
            chunks.put_back(hand.chunk, left, reason)


class ClusterRun(OnCluster, Run):
    """As `Run`, on a cluster."""


class ClusterRunInParts(OnCluster, RunInParts):
    """As `RunInParts`, on a cluster."""


RUNS: dict[type[Run], type[OnCluster]] = {Run: ClusterRun, RunInParts: ClusterRunInParts}
