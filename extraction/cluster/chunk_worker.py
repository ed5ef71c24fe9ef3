"""One extractor with its own processes that decode, on some machine of a cluster."""

from __future__ import annotations

import os
import platform
import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from ...cache.shards.shard_name import next_number
from ...cache.store import COMMIT_EVERY_S
from ...cache.variant import Variant
from ...cache.writer import Writer
from ...errors import BottlebankError, CacheError, EngineError
from ...features.images.decoding_shares import Allowed
from ...hardware import (
    CORES,
    available_cores,
    available_memory_bytes,
    limit_threads_of_libraries,
)
from ..network import Network
from ..stage_timing import DISK, Waiting
from ..workers import Workers
from .messages import About, Asked, Committed, Computed, Event, Failed, Finished, version

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ...features.backbones.weights import Weights
    from ..image_files import HashedFile, ImageFile, UnreadableFile
    from .messages import Order


_MEMORY_SHARE = 0.75
_LEAST_BYTES = 1 << 30


class ChunkWorker:
    """Extracts the files that it is given, a chunk at a time, and commits them as shards.

    Which of them are new it asks, by their hashes: it holds nothing of the cache. `extract` is gone
    through in one thread while `answer` is called in another.
    """

    def __init__(self, order: Order, n_cores: int | None = None) -> None:
        """Prepare to begin; `n_cores` are what it may keep busy."""
        self._order, self._n_cores = order, n_cores
        self._waiting = Waiting()
        self._answers: queue.SimpleQueue[Sequence[Sequence[int]]] = queue.SimpleQueue()
        self._folder = Path()
        self._network = Network(
            order.recipe,
            lambda: _here(order, self._folder),
            _networks_here(order),
            order.engine,
            Variant.parse(order.variant).precision,
            False,
            self._waiting,
        )
        self._workers: Workers | None = None

    def begin(self) -> About | Failed:
        """Start the network and the processes, once the cache is found to be the driver's."""
        try:
            self._require_same_version()
            self._require_same_cache()
            self._workers = self._begun_workers()
            with tempfile.TemporaryDirectory(prefix="bottlebank-weights-") as folder:
                self._folder = Path(folder)
                self._network.start()
        except (BottlebankError, OSError, ImportError) as error:
            return _failed(error)
        self._order = self._order._replace(files={})
        return About(platform.node(), os.getpid(), self._network.engine, self._network.startup_s)

    def _begun_workers(self) -> Workers:
        order, memory_bytes = self._order, self._order.memory_bytes
        if self._n_cores is not None:
            memory_bytes = memory_bytes or _share_of_memory(self._n_cores)
            os.environ[CORES] = str(self._n_cores)
            limit_threads_of_libraries()
        allowed = Allowed(order.n_processes or self._n_cores, memory_bytes)
        workers = Workers(order.recipe, order.max_pixels, self._waiting, allowed, order.most_views)
        workers.__enter__()
        workers.start()
        return workers

    def close(self) -> None:
        """End its processes; on a cluster they end with it."""
        if self._workers is not None:
            self._workers.__exit__(None, None, None)

    def _require_same_version(self) -> None:
        if self._order.version != version():
            raise EngineError(
                f"bottlebank {version()} is installed on {platform.node()}, and "
                f"{self._order.version} where the command runs: install the same everywhere"
            )

    def _require_same_cache(self) -> None:
        storage = self._order.storage
        if self._order.sign not in storage.below(self._order.variant).list():
            raise CacheError(
                f"{storage.where} on {platform.node()} is not the folder that the driver writes "
                f"to: keep the cache where all machines of the cluster see it"
            )

    def extract(self, files: Sequence[ImageFile]) -> Generator[Event]:
        """Extract files; what is new of them is committed when `Finished` has come."""
        events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()

        def run() -> None:
            try:
                self._extract(files, events)
            except (BottlebankError, OSError) as error:
                events.put(_failed(error))
            except BaseException as error:  # noqa: BLE001 (raised in the other thread)
                events.put(error)
            events.put(None)

        # What is asked comes from within the pipeline, which cannot yield it.
        thread = threading.Thread(target=run, name="chunk", daemon=True)
        thread.start()
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
        thread.join()

    def answer(self, views: Sequence[Sequence[int]]) -> None:
        """Which views are to be decoded of the files that were asked about last."""
        self._answers.put(views)

    def _extract(
        self, files: Sequence[ImageFile], events: queue.SimpleQueue[Event | BaseException | None]
    ) -> None:
        def new_views(hashed: Sequence[HashedFile | UnreadableFile]) -> Sequence[Sequence[int]]:
            events.put(Asked(hashed))
            return self._answers.get()

        assert self._workers is not None
        before = dict(self._waiting.seconds)
        storage = self._order.storage.below(self._order.variant)
        writer = Writer(
            storage,
            self._order.variant,
            next_number(storage.list()),
            lambda shard: events.put(Committed(shard)),
            self._order.commit_every,
            COMMIT_EVERY_S,
        )
        pixels = self._workers.pixels(iter(files), len(files), None, new_views, lambda: None)
        for images in self._network.features(pixels):
            events.put(Computed(len(images.keys), images.rejections, images.brightest))
            if images.keys:
                with self._waiting.waiting_for(DISK):
                    writer.extend(images.keys, images.paths, images.features)
        writer.commit()
        waited = self._waiting.seconds
        events.put(Finished({stage: waited[stage] - before[stage] for stage in waited}))


def _share_of_memory(n_cores: int) -> int | None:
    """What a worker may take where others share its machine; None where it has the machine."""
    of_machine = available_cores()
    if n_cores >= of_machine:
        return None
    share = int(_MEMORY_SHARE * available_memory_bytes() * n_cores / of_machine)
    return share if share > _LEAST_BYTES else None


def _failed(error: Exception) -> Failed:
    attempts = error.attempts if isinstance(error, EngineError) else ()
    reason = str(error) if isinstance(error, BottlebankError) else f"{platform.node()}: {error}"
    return Failed(type(error).__name__, reason, tuple(attempts))


def _networks_here(order: Order) -> Path:
    networks = Path(order.networks)
    try:
        networks.mkdir(parents=True, exist_ok=True)
    except OSError:
        return platformdirs.user_cache_path("bottlebank") / "networks"
    return networks


def _here(order: Order, folder: Path) -> Weights:
    """The weights on this machine: where the driver has them or, if they are not there, a copy."""
    weights = order.weights
    paths = [path for path in (weights.path, *weights.more) if path is not None]
    if all(path.is_file() for path in paths) or not order.files:
        return weights
    for path in paths:
        (folder / path.name).write_bytes(order.files[str(path)])
    here = [folder / path.name for path in paths]
    return weights._replace(path=here[0], more=tuple(here[1:]))
