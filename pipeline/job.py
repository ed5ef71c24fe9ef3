"""One run over a dataset: settle what is known, read and compute the rest, commit."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from ..cache import CacheFolder, Key, Variant, key_of_bytes
from ..errors import EngineError, ImageRejectedError
from ..features import open_extractor
from ..features.images import read
from ..features.preprocess import load
from ..machine import available_cores
from .ahead import work_ahead
from .table import FeatureTable, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..cache import FeatureCache
    from ..cache.store import Writer
    from ..features import Dataset, Extractor, Recipe
    from ..features.weights import Weights

BATCH_SIZE = 16
_READERS = 4
_REMEMBER_EVERY = 2048


class CannotRunError(Exception):
    """No engine of this machine computes in the precision."""


class _Content(NamedTuple):
    """The bytes of an image file."""

    position: int
    data: bytes
    status: os.stat_result
    key: Key


class _Unreadable(NamedTuple):
    """An image file that cannot be read; its content is not known."""

    position: int
    reason: str


class _Results(NamedTuple):
    """What became of a batch."""

    contents: list[_Content]
    reasons: list[str]
    """Why an image is none; empty where it could be decoded."""
    features: np.ndarray | None
    """Transfer values of the images that could, float32 (n, width); None where none could."""


class Job:
    """One run over a dataset in one variant."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        weights: Callable[[], Weights],
        folder: CacheFolder,
        engine: str,
        variant: Variant,
        commit_every: int,
        progress: bool | None,
    ) -> None:
        self.dataset, self.recipe, self.folder = dataset, recipe, folder
        self.weights, self.engine, self.variant = weights, engine, variant
        self.commit_every, self.progress = commit_every, progress
        self.cache: FeatureCache = folder.open(recipe.fingerprint, variant.name)
        self.keys: list[Key | None] = [None] * len(dataset)
        self.unreadable: dict[int, str] = {}
        self.rejected: dict[Key, str] = {}
        self.extracted: set[Key] = set()
        self.startup_s = 0.0

    def run(self) -> FeatureTable:
        """Extract what is missing and return the table."""
        unknown = self._look_up()
        loop_s = 0.0
        if unknown:
            start = time.perf_counter()
            with self._bar(len(unknown)) as bar:
                self._extract(unknown, bar)
            loop_s = time.perf_counter() - start - self.startup_s
        return self._table(loop_s)

    def _look_up(self) -> list[int]:
        """Settle the images that need not be read; return the positions of the others."""
        return [
            position
            for position, key in enumerate(self._known_keys())
            if key is None or not self._settle(position, key)
        ]

    def _known_keys(self) -> list[Key | None]:
        """The key of every image that has not changed since it was read."""
        keys: list[Key | None] = [None] * len(self.dataset)
        for start in range(0, len(keys), _REMEMBER_EVERY):
            positions, files = [], []
            for position in range(start, min(start + _REMEMBER_EVERY, len(keys))):
                path = self.dataset.paths[position]
                with contextlib.suppress(OSError, ValueError):  # reading it will tell the reason
                    files.append((path, os.stat(path)))  # noqa: PTH116
                    positions.append(position)
            for position, key in zip(positions, self.folder.known_keys(files), strict=True):
                keys[position] = key
        return keys

    def _settle(self, position: int, key: Key) -> bool:
        """Note an image's key; False when the cache knows nothing of it."""
        if key not in self.extracted and key not in self.cache:
            reason = self.cache.rejection(key)
            if reason is None:
                return False
            self.rejected[key] = reason
        self.keys[position] = key
        return True

    def _extract(self, unknown: Iterable[int], bar: tqdm) -> None:
        remembered: list[tuple[str, os.stat_result, Key]] = []
        n_cores = available_cores()
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self.folder.remember_files(remembered))
            tools = stack.enter_context(_Tools(self))
            disk = stack.enter_context(_pool(_READERS))
            processor = stack.enter_context(_pool(n_cores))
            contents = work_ahead(disk, self._read_one, unknown, 2 * BATCH_SIZE)
            new = self._sift(contents, remembered, bar)
            batches = tools.ready_for(_batches(new, BATCH_SIZE))
            # Decoding and network of a batch run on one core, batches side by side.
            for results in work_ahead(processor, tools.compute, batches, n_cores + 1):
                self._keep(results, tools.writer())
                bar.update(len(results.contents))

    def _read_one(self, position: int) -> _Content | _Unreadable:
        try:
            data, status = read(self.dataset.paths[position])
        except ImageRejectedError as error:
            return _Unreadable(position, str(error))
        return _Content(position, data, status, key_of_bytes(data))

    def _sift(
        self,
        contents: Iterable[_Content | _Unreadable],
        remembered: list[tuple[str, os.stat_result, Key]],
        bar: tqdm,
    ) -> Iterator[_Content]:
        """Pass on the contents that are new; settle the others."""
        begun: dict[Key, None] = {}
        for content in contents:
            if isinstance(content, _Unreadable):
                self.unreadable[content.position] = content.reason
                bar.update()
                continue
            remembered.append((self.dataset.paths[content.position], content.status, content.key))
            if len(remembered) >= _REMEMBER_EVERY:
                self.folder.remember_files(remembered)
                remembered.clear()
            self.keys[content.position] = content.key
            if content.key in begun or self._settle(content.position, content.key):
                bar.update()
                continue
            begun[content.key] = None
            yield content

    def _keep(self, results: _Results, writer: Writer) -> None:
        keys: list[Key] = []
        paths: list[bytes] = []
        for content, reason in zip(results.contents, results.reasons, strict=True):
            path = os.fsencode(os.path.abspath(self.dataset.paths[content.position]))  # noqa: PTH100
            if reason:
                writer.reject(content.key, path, reason)
                self.rejected[content.key] = reason
            else:
                keys.append(content.key)
                paths.append(path)
        if results.features is not None:
            writer.extend(keys, paths, results.features)
            self.extracted.update(keys)

    def open_extractor(self) -> Extractor:
        """Start the engine; its time is start-up, not extraction."""
        start = time.perf_counter()
        try:
            extractor = open_extractor(
                self.recipe,
                self.weights,
                engine=self.engine,
                precisions=[self.variant.precision],
                networks=self.folder.networks,
            )
        except EngineError as error:
            raise CannotRunError(str(error)) from error
        self.engine = extractor.engine
        self.startup_s += time.perf_counter() - start
        return extractor

    def _bar(self, n_unknown: int) -> tqdm:
        disable = None if self.progress is None else not self.progress
        known = len(self.dataset) - n_unknown
        return tqdm(
            total=len(self.dataset),
            initial=known,
            desc=f"Extracting ({self.recipe.extractor})",
            unit=" images",
            disable=disable,
        )

    def _table(self, loop_s: float) -> FeatureTable:
        dataset = self.dataset
        rejected = list(dataset.unreadable)
        kept: list[int] = []
        seen: set[Key] = set()
        n_extracted = n_cached = n_duplicates = 0
        for position, key in enumerate(self.keys):
            if key is None:
                rejected.append((dataset.paths[position], self.unreadable[position]))
                continue
            if key in self.rejected:
                rejected.append((dataset.paths[position], self.rejected[key]))
                continue
            kept.append(position)
            if key in seen:
                n_duplicates += 1
            elif key in self.extracted:
                n_extracted += 1
            else:
                n_cached += 1
            seen.add(key)
        report = Report(
            images=len(dataset) + len(dataset.unreadable),
            cached=n_cached,
            extracted=n_extracted,
            duplicates=n_duplicates,
            rejected=len(rejected),
            ignored=dataset.ignored,
            startup_seconds=round(self.startup_s, 3),
            images_per_second=round(n_extracted / loop_s, 1) if n_extracted else None,
            extractor=self.recipe.extractor,
            width=self.recipe.width,
            engine=_engine_that_runs(self.engine),
            precision=self.variant.precision,
            store=self.variant.storage,
            fingerprint=self.recipe.fingerprint,
            cache=str(self.folder.root),
        )
        return FeatureTable(
            paths=[dataset.paths[position] for position in kept],
            labels=np.array([dataset.labels[position] for position in kept], dtype=np.str_),
            splits=[dataset.splits[position] for position in kept],
            keys=[key for position in kept if (key := self.keys[position]) is not None],
            rejected=rejected,
            report=report,
            recipe=self.recipe,
        )


class _Tools(contextlib.AbstractContextManager):
    """The writer and the extractor, which are started when the first new image arrives."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stack = contextlib.ExitStack()
        self._writer: Writer | None = None
        self._extractor: Extractor | None = None

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def ready_for(self, batches: Iterable[list[_Content]]) -> Iterator[list[_Content]]:
        """Pass batches on; before the first, take the lock and start the engine."""
        for batch in batches:
            self.writer()
            if self._extractor is None:
                self._extractor = self._job.open_extractor()
            yield batch

    def writer(self) -> Writer:
        """The writer; takes the lock at the first call."""
        if self._writer is None:
            job = self._job
            writing = job.cache.writer(job.recipe.as_dict(), commit_every_rows=job.commit_every)
            self._writer = self._stack.enter_context(writing)
        return self._writer

    def compute(self, batch: list[_Content]) -> _Results:
        """Decode a batch and run the network on what could be decoded. In a worker thread."""
        assert self._extractor is not None, "batches come through `ready_for`"
        pixels, reasons = [], []
        for content in batch:
            try:
                pixels.append(load(content.data, self._extractor.input_size_px))
                reasons.append("")
            except ImageRejectedError as error:
                reasons.append(str(error))
        features = self._extractor.transfer_values(np.stack(pixels)) if pixels else None
        return _Results(batch, reasons, features)


@contextlib.contextmanager
def _pool(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that finish what they have begun, and nothing more, when the block is left."""
    pool = ThreadPoolExecutor(n_threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(contents: Iterator[_Content], size: int) -> Iterator[list[_Content]]:
    while batch := list(itertools.islice(contents, size)):
        yield batch


def _engine_that_runs(engine: str) -> str:
    if engine != "auto":
        return engine
    return "openvino" if find_spec("openvino") else "tensorflow"
