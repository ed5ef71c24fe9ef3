"""One run over a dataset: settle what is known, read and compute the rest, commit."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, Key, Rejection, Variant
from ..errors import EngineError, WeightsNotFoundError
from ..features import open_extractor
from ..features.engines.select import expected_engine
from ..features.images.colours import DARK_BELOW, unused_share
from ..features.images.decoder import MAX_PIXELS, Limits, depends_on_machine, is_temporary
from ..features.images.decoder_pool import DecoderPool
from ..formatting import counted
from ..hardware import available_cores
from ..progress import Progress
from .feature_table import FeatureTable, Report
from .golden_rows import keep_golden_images
from .prefetch import groups_of, prefetch, threads
from .stage_timing import DECODE, DISK, NETWORK, Waiting
from .stages import Content, Images, Unreadable, compute, decode, find, read_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..cache import ContentHash, FeatureCache
    from ..cache.writer import Writer
    from ..classifier import GoldenImages
    from ..datasets import Dataset
    from ..features import Extractor, Recipe
    from ..features.backbones.weights import Weights

_READERS = 4
_GROUP_SIZE = 8
_GROUPS_AHEAD = 8
_GROUP_BYTES = 32 << 20
_BYTES_AHEAD = 256 << 20
_REMEMBER_EVERY = 2048

logger = logging.getLogger(__name__)


class CannotRunError(Exception):
    """No engine of this machine computes in the precision."""


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
        max_pixels: int = MAX_PIXELS,
        retry_rejected: bool = False,
    ) -> None:
        self.max_pixels, self.retry_rejected = max_pixels, retry_rejected
        self.dark: list[int] = []
        self.dataset, self.recipe, self.folder = dataset, recipe, folder
        self.weights, self.engine, self.variant = weights, engine, variant
        self.commit_every, self.progress = commit_every, progress
        self.cache: FeatureCache = folder.open(recipe.fingerprint, variant.name)
        self.keys: list[Key | None] = [None] * len(dataset)
        self.unreadable: dict[int, str] = {}
        self.rejected: dict[Key, str] = {}
        self.extracted: set[Key] = set()
        self.startup_s = 0.0
        self.waiting = Waiting()
        self._extractor: Extractor | None = None

    def run(self) -> FeatureTable:
        """Extract what is missing and return the table."""
        unknown = self._look_up()
        loop_s = 0.0
        if unknown:
            start = time.perf_counter()
            with self._bar(len(unknown)) as bar:
                self._extract(unknown, bar)
            loop_s = time.perf_counter() - start - self.startup_s
            self._warn_of_dark_grey()
        return self._table(loop_s)

    def _golden_images(self) -> GoldenImages | None:
        """By which heads recognise the extractor; computed with the first rows, then kept."""
        if not len(self.cache) and not self.extracted:
            return None
        try:
            return keep_golden_images(
                self.folder, self.recipe, self.variant.precision, self.start_extractor
            )
        except (CannotRunError, WeightsNotFoundError) as error:
            logger.info("without golden images: %s", error)
            return None

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
            self.folder.remember_folders(path for path, _ in files)
            found = self.folder.known_contents(files)
            for position, content in zip(positions, found, strict=True):
                keys[position] = None if content is None else Key(content)
        return keys

    def _settle(self, position: int, key: Key) -> bool:
        """Note an image's key; False when the cache knows nothing of it."""
        if key not in self.extracted and key not in self.cache:
            reason = self._why_not(key.content)
            if reason is None:
                return False
            self.rejected[key] = reason
        self.keys[position] = key
        return True

    def _why_not(self, content: ContentHash) -> str | None:
        """Why an image need not be tried; None when it is to be."""
        reason = self.cache.rejection(content)
        # Other versions have kept such, and so may those whose cache was imported.
        if reason is not None and not is_temporary(reason) and not depends_on_machine(reason):
            return reason
        return None if self.retry_rejected else self.cache.failure(content)

    def _extract(self, unknown: Iterable[int], bar: Progress) -> None:
        remembered: list[tuple[str, os.stat_result, ContentHash]] = []
        n_cores = available_cores()
        size_px = (self.recipe.input_size_px, self.recipe.input_size_px)
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self.folder.remember_files(remembered))
            decoders = stack.enter_context(
                DecoderPool(
                    size_px,
                    self.recipe.fit,
                    n_cores,
                    limits=Limits(pixels=self.max_pixels),
                    grey16=self.recipe.grey16,
                )
            )
            tools = stack.enter_context(_Tools(self, decoders, bar))
            read = prefetch(
                stack.enter_context(threads(_READERS)),
                read_files,
                groups_of(
                    _GROUP_SIZE,
                    (find(position, self.dataset.paths[position]) for position in unknown),
                    n_bytes=lambda place: place.n_bytes,
                    max_bytes=_GROUP_BYTES,
                ),
                _GROUPS_AHEAD,
                n_bytes=lambda places: sum(place.n_bytes for place in places),
                max_bytes=_BYTES_AHEAD,
                waiting=lambda: self.waiting.waiting_for(DISK),
            )
            new = tools.started_for(self._sift(read, remembered, bar))
            decoded = prefetch(
                stack.enter_context(threads(n_cores)),
                lambda contents: decode(contents, decoders),
                groups_of(
                    _GROUP_SIZE,
                    new,
                    n_bytes=lambda content: len(content.data),
                    max_bytes=_GROUP_BYTES,
                ),
                max(_GROUPS_AHEAD, 2 * n_cores),
                n_bytes=lambda contents: sum(len(content.data) for content in contents),
                max_bytes=_BYTES_AHEAD,
                waiting=lambda: self.waiting.waiting_for(DECODE),
            )
            for images in tools.rows_of(self._look_for_dark_grey(decoded)):
                with self.waiting.waiting_for(DISK):
                    self._keep(images, tools.writer())
                bar.note(f"waiting for {self.waiting.bottleneck}")
                bar.update(len(images.keys))

    def _look_for_dark_grey(self, groups: Iterable[Images]) -> Iterator[Images]:
        for images in groups:
            self.dark += [value for value in images.brightest if 0 < value < DARK_BELOW]
            yield images

    def _sift(
        self,
        groups: Iterable[list[Content | Unreadable]],
        remembered: list[tuple[str, os.stat_result, ContentHash]],
        bar: Progress,
    ) -> Iterator[Content]:
        """Pass on the contents that are new; settle the others."""
        begun: dict[Key, None] = {}
        for content in itertools.chain.from_iterable(groups):
            if isinstance(content, Unreadable):
                self.unreadable[content.position] = content.reason
                bar.update()
                continue
            if content.is_settled:
                remembered.append((content.path, content.status, content.key.content))
            if len(remembered) >= _REMEMBER_EVERY:
                self.folder.remember_files(remembered)
                remembered.clear()
            self.keys[content.position] = content.key
            if content.key in begun or self._settle(content.position, content.key):
                bar.update()
                continue
            begun[content.key] = None
            yield content

    def _keep(self, images: Images, writer: Writer) -> None:
        keys: list[Key] = []
        paths: list[bytes] = []
        failed: list[Rejection] = []
        for key, path, reason in zip(images.keys, images.paths, images.reasons, strict=True):
            if reason:
                if depends_on_machine(reason):
                    failed.append(Rejection(key.content, path, reason))
                elif not is_temporary(reason):
                    writer.reject(key.content, path, reason)
                self.rejected[key] = reason
            else:
                keys.append(key)
                paths.append(path)
        if failed:
            self.cache.remember_failures(failed)
        if keys:
            writer.extend(keys, paths, images.values)
            self.extracted.update(keys)

    def _warn_of_dark_grey(self) -> None:
        """Tell of 16-bit pictures that use little of their range: nearly black when scaled."""
        if self.dark and self.recipe.grey16 == "scale":
            share = unused_share(max(self.dark))
            use = "uses" if len(self.dark) == 1 else "use"
            logger.warning(
                "warning: %s with 16 bits per channel %s at most the lowest 1/%s of the range and "
                "came out nearly black; extract and train with --grey16 stretch to scale such "
                "images by the bits that they use",
                counted(len(self.dark), "image"),
                use,
                f"{share:,}",
            )

    def start_extractor(self) -> Extractor:
        """Start the engine, if that has not been done; its time is start-up, not extraction."""
        if self._extractor is not None:
            return self._extractor
        start = time.perf_counter()
        try:
            extractor = open_extractor(
                self.recipe,
                self.weights,
                engine=self.engine,
                precisions=[self.variant.precision],
                networks=self.folder.networks,
                many=True,
                gpu=True,
                progress=self.progress,
            )
        except EngineError as error:
            raise CannotRunError(str(error)) from error
        self._extractor, self.engine = extractor, extractor.engine
        self.startup_s += time.perf_counter() - start
        return extractor

    def _bar(self, n_unknown: int) -> Progress:
        known = len(self.dataset) - n_unknown
        what = f"Extracting ({self.recipe.extractor})"
        return Progress(what, len(self.dataset), initial=known, show=self.progress)

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
            ignored_kinds=dict(dataset.ignored_kinds),
            dark_16bit=len(self.dark) if self.recipe.grey16 == "scale" else 0,
            startup_seconds=round(self.startup_s, 3),
            images_per_second=round(n_extracted / loop_s, 1) if n_extracted else None,
            bottleneck=self.waiting.bottleneck if n_extracted else None,
            extractor=self.recipe.extractor,
            width=self.recipe.width,
            engine=expected_engine(self.engine),
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
            golden=self._golden_images(),
            groups=[dataset.groups[position] for position in kept] if dataset.groups else (),
        )


class _Tools(contextlib.AbstractContextManager):
    """The lock, the decoders and the network, which wait for the first new image."""

    def __init__(self, job: Job, decoders: DecoderPool, bar: Progress) -> None:
        self._job = job
        self._decoders = decoders
        self._bar = bar
        self._stack = contextlib.ExitStack()
        self._writer: Writer | None = None

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def started_for(self, contents: Iterable[Content]) -> Iterator[Content]:
        """Pass contents on; take the lock and start decoders and network before the first."""
        for content in contents:
            if self._writer is None:
                self.writer()
                self._decoders.start()
                self._job.start_extractor()
                self._bar.start_counting()
            yield content

    def rows_of(self, groups: Iterator[Images]) -> Iterator[Images]:
        """Turn pixels into transfer values."""
        first = next(groups, None)
        if first is None:
            return
        extractor = self._job.start_extractor()
        n_together = max(1, extractor.batch_size // _GROUP_SIZE)
        batches = groups_of(n_together, itertools.chain([first], groups))
        with threads(extractor.n_calls) as pool:
            yield from prefetch(
                pool,
                lambda batch: compute(batch, extractor),
                batches,
                extractor.n_calls + 1,
                waiting=lambda: self._job.waiting.waiting_for(NETWORK),
            )

    def writer(self) -> Writer:
        """The writer; takes the lock at the first call."""
        if self._writer is None:
            job = self._job
            writing = job.cache.writer(job.recipe.as_dict(), commit_every_rows=job.commit_every)
            self._writer = self._stack.enter_context(writing)
        return self._writer
