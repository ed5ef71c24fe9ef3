"""One run over a dataset: the parts put together, and what they have counted."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..cache import Key
from ..errors import WeightsNotFoundError
from ..features.images.colours import is_dark, unused_share
from ..formatting import counted
from ..progress import Progress
from .feature_table import FeatureTable, Report
from .golden_rows import keep_golden_images
from .image_files import HashedFile
from .ledger import Ledger
from .network import CannotRunError, Network
from .plan import Plan
from .stage_timing import DISK, Waiting
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..cache import CacheFolder, Variant
    from ..classifier import GoldenImages
    from ..datasets import Dataset
    from ..features import Recipe
    from ..features.backbones.weights import Weights
    from ..features.images.decoding_shares import Allowed
    from ..features.images.view_rules import Views
    from .image_files import UnreadableFile

_MEASURED_FROM = 100
"""With fewer images, starting and ending are most of what is measured."""

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """What a run has counted."""

    images: int
    """Also folders and archives that cannot be read."""
    with_rows: int
    different: int
    """Contents of these."""
    extracted: int
    rejected: int
    rows_extracted: int


class Run:
    """One run over a dataset in one variant."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        weights: Callable[[], Weights],
        folder: CacheFolder,
        variant: Variant,
        *,
        engine: str,
        commit_every: int,
        progress: bool | None,
        max_pixels: int,
        allowed: Allowed,
        retry_rejected: bool,
        views: Views,
    ) -> None:
        """Look up what is missing; see `extract_recipe`."""
        self._dataset, self._recipe, self._folder = dataset, recipe, folder
        self._variant, self._progress = variant, progress
        self._waiting = Waiting()
        self._views = views
        numbers = (0, *views.numbers)
        self._ledger, self._plan = self._planned(
            folder, recipe, variant, commit_every, retry_rejected, numbers
        )
        self._workers = Workers(recipe, max_pixels, self._waiting, allowed, len(numbers))
        self._network = Network(
            recipe, weights, folder.networks, engine, variant.precision, progress, self._waiting
        )
        self._n_dark = self._brightest_dark = 0
        """Pictures that came out nearly black, and the greatest value in them."""

    def _planned(self, *of_ledger: Any) -> tuple[Ledger, Plan]:
        ledger = Ledger(*of_ledger)
        return ledger, Plan(self._dataset.paths, self._folder, ledger.missing_views)

    def complete(self) -> FeatureTable:
        """Extract what is missing and return the table.

        Raises
        ------
        CannotRunError
            When something is missing, and no engine of this machine computes in the precision.
        """
        loop_s = 0.0
        if self._plan.missing:
            start = time.perf_counter()
            n_known = len(self._dataset) - len(self._plan.missing)
            what = f"Extracting ({self._recipe.extractor})"
            with Progress(what, len(self._dataset), initial=n_known, show=self._progress) as bar:
                self._extract(bar)
            loop_s = time.perf_counter() - start - self._network.startup_s
            self._warn_of_dark_images()
        return self._table(loop_s)

    def _extract(self, bar: Progress) -> None:
        def new_views(files: Sequence[HashedFile | UnreadableFile]) -> list[Sequence[int]]:
            new = self._plan.new_views(files)
            self._ledger.remember(file for file in files if isinstance(file, HashedFile))
            bar.update(sum(not views for views in new))
            return new

        def begin() -> None:
            self._ledger.writer()  # takes the lock
            self._workers.start()
            self._network.start()
            bar.start_counting()

        with (
            self._ledger,
            self._workers,
            contextlib.closing(
                self._workers.pixels(
                    self._plan.files(),
                    self._plan.n_missing,
                    self._plan.is_known,
                    new_views,
                    begin,
                )
            ) as pixels,
            contextlib.closing(self._network.features(pixels)) as features,
        ):
            for images in features:
                with self._waiting.waiting_for(DISK):
                    self._ledger.keep(images)
                self._note_dark(images.brightest)
                bar.note(f"waiting for {self._waiting.bottleneck}")
                bar.update(self._plan.n_done(images.keys, images.rejections))

    def _note_dark(self, brightest: Sequence[int | None]) -> None:
        for value in brightest:
            if value is not None and is_dark(value, self._recipe.grey16):
                self._n_dark += 1
                self._brightest_dark = max(self._brightest_dark, value)

    def _told_of_cluster(self) -> dict[str, Any] | None:
        """As `Report` has it."""
        return None

    def _warn_of_dark_images(self) -> None:
        """Warn of 16-bit pictures that use little of their range: nearly black when scaled."""
        if self._n_dark:
            logger.warning(
                "warning: %s with 16 bits per channel %s at most the lowest 1/%s of the range and "
                "came out nearly black; extract and train with --grey16 stretch to scale such "
                "images by the bits that they use",
                counted(self._n_dark, "image"),
                "uses" if self._n_dark == 1 else "use",
                f"{unused_share(self._brightest_dark):,}",
            )

    def _golden_images(self) -> GoldenImages | None:
        """By which heads recognise the extractor; computed with the first rows, then kept."""
        if not self._ledger.has_rows:
            return None
        try:
            return keep_golden_images(
                self._folder, self._recipe, self._variant.precision, self._network.start
            )
        except (CannotRunError, WeightsNotFoundError) as error:
            logger.info("without golden images: %s", error)
            return None

    def _table(self, loop_s: float) -> FeatureTable:
        dataset, extracted = self._dataset, self._ledger.extracted
        rejected = list(dataset.unreadable)
        kept: list[int] = []
        keys: list[Key] = []
        for position, content in enumerate(self._plan.contents):
            if content is None:
                rejected.append((dataset.paths[position], self._plan.unreadable[position]))
            elif content in self._ledger.rejected:
                rejected.append((dataset.paths[position], self._ledger.rejected[content]))
            else:
                kept.append(position)
                keys.append(Key(content))
        different = set(keys)
        counts = Counts(
            images=len(dataset) + len(dataset.unreadable),
            with_rows=len(keys),
            different=len(different),
            extracted=len({key.content for key in extracted} & {key.content for key in keys}),
            rejected=len(rejected),
            rows_extracted=len(extracted),
        )
        report = self._report(counts, dataset.ignored_kinds, loop_s)
        return FeatureTable(
            paths=[dataset.paths[position] for position in kept],
            labels=np.array([dataset.labels[position] for position in kept], dtype=np.str_),
            splits=[dataset.splits[position] for position in kept],
            keys=keys,
            rejected=rejected,
            report=report,
            recipe=self._recipe,
            golden=self._golden_images(),
            groups=[dataset.groups[position] for position in kept] if dataset.groups else (),
            weights=np.array(dataset.weights, np.float64)[kept] if dataset.weights else None,
            views=self._views,
        )

    def _report(self, counts: Counts, ignored_kinds: Mapping[str, int], loop_s: float) -> Report:
        """What was done; the use of the recipe is noted in the cache."""
        n_extracted = counts.extracted
        speed = round(n_extracted / loop_s, 1) if n_extracted else None
        self._folder.remember_use(
            self._recipe.fingerprint,
            self._variant.name,
            speed if n_extracted >= _MEASURED_FROM else None,
        )
        return Report(
            images=counts.images,
            cached=counts.different - n_extracted,
            extracted=n_extracted,
            duplicates=counts.with_rows - counts.different,
            rejected=counts.rejected,
            ignored=sum(ignored_kinds.values()),
            ignored_kinds=dict(ignored_kinds),
            dark_16bit=self._n_dark,
            startup_seconds=round(self._network.startup_s, 3),
            images_per_second=speed,
            bottleneck=self._waiting.bottleneck if n_extracted else None,
            extractor=self._recipe.extractor,
            width=self._recipe.width,
            engine=self._network.engine,
            precision=self._variant.precision,
            store=self._variant.storage,
            views=len(self._views.numbers),
            view_rule=self._views.rule,
            rows=counts.different * (1 + len(self._views.numbers)),
            rows_extracted=counts.rows_extracted,
            fingerprint=self._recipe.fingerprint,
            cache=self._folder.address,
            cluster=self._told_of_cluster(),
        )
