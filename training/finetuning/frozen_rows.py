"""What the frozen part of a network makes of images: computed once, read batch by batch.

The rows are ordinary ones of the cache, of a recipe that ends where training begins: so they are
computed by the fastest engine, survive a kill, are checked by checksum whenever they are read, and
are shared by all runs that leave the same layers frozen.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...cache import Variant
from ...errors import BottlebankError, DamagedShardError
from ...extraction.prefetch import prefetch, threads
from ...formatting import counted, mebibytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...cache import CacheFolder, Key
    from ...datasets import Dataset
    from ...extraction.feature_table import FeatureTable
    from ...features import Recipe
    from ...features.backbones.weights import Weights

STORAGE = "float16"
_SHARD_BYTES = 1 << 26
_NUMBERS_TOGETHER = 1 << 24
"""That are read at once: 64 MiB of float32. Twice as much is held."""
_RUN = 8
"""Rows that stay together in the order of an epoch that is read in several parts: of a block of the
cache, which is checked as a whole, more than one row is used."""

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Rows that are trained on, or evaluated, together."""

    maps: np.ndarray
    """float32, (n, width)."""
    codes: np.ndarray
    """int64, (n,): the class of each, as a column of the logits."""
    weights: np.ndarray
    """float32, (n,): how much each counts."""


class FrozenRows(NamedTuple):
    """Images with what the frozen part makes of them, which is in the cache."""

    read: Callable[[Sequence[Key]], np.ndarray]
    """float32 (n, width) of keys."""
    width: int
    keys: Sequence[Key]
    codes: np.ndarray
    """int64, (n,)."""
    weights: np.ndarray
    """float32, (n,)."""

    def __len__(self) -> int:
        return len(self.keys)

    def shuffled(self, seed: int, epoch: int) -> np.ndarray:
        """int, (n,): the order of an epoch, which depends on nothing else."""
        random = np.random.default_rng([seed, epoch])
        n, n_together = len(self), self._n_together
        if n <= n_together:
            return random.permutation(n)
        starts = np.arange(0, n, _RUN)
        runs = [np.arange(start, min(start + _RUN, n)) for start in random.permutation(starts)]
        order = np.concatenate(runs)
        for start in range(0, n, n_together):
            random.shuffle(order[start : start + n_together])
        return order

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[Batch]:
        """The rows in this order, in batches of nearly equal size and at most `batch_size`."""
        n_batches = -(-len(order) // batch_size)
        ends = np.linspace(0, len(order), n_batches + 1).round().astype(int)
        per_read = max(1, self._n_together // batch_size)
        parts = [ends[start : start + per_read + 1] for start in range(0, n_batches, per_read)]

        def load(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = order[part[0] : part[-1]]
            return rows, self.read([self.keys[row] for row in rows.tolist()])

        with threads(1) as pool:
            for part, (rows, maps) in zip(parts, prefetch(pool, load, parts, 2), strict=True):
                for start, end in zip(part[:-1] - part[0], part[1:] - part[0], strict=True):
                    some = rows[start:end]
                    yield Batch(maps[start:end], self.codes[some], self.weights[some])

    @property
    def _n_together(self) -> int:
        return max(1, _NUMBERS_TOGETHER // self.width)


class FrozenMaps:
    """The rows of a cache that a frozen part makes.

    Parameters
    ----------
    folder
        The cache, open for as long as rows are read.
    recipe
        Of the frozen part.
    precision
        What it computes in.
    """

    def __init__(self, folder: CacheFolder, recipe: Recipe, precision: str) -> None:
        self._folder, self._recipe = folder, recipe
        self._cache = folder.open(recipe.fingerprint, Variant(precision, STORAGE).name)
        self._row_bytes = recipe.width * np.dtype(STORAGE).itemsize
        self.width = recipe.width

    def extract(
        self,
        dataset: Dataset,
        table: FeatureTable,
        rows: np.ndarray,
        weights: Callable[[], Weights],
        extract: Callable[..., FeatureTable],
    ) -> None:
        """Bring the maps of some images into the cache.

        Parameters
        ----------
        dataset, table
            The images, and their features.
        rows
            int, (n,): those of the table that are wanted.
        weights
            Finds the weights.
        extract
            `extract_recipe` with what else it takes.

        Raises
        ------
        BottlebankError
            When the disk of the cache has too little room for them.
        """
        keys = list({table.keys[row] for row in rows.tolist()})
        n_missing = len(keys) - self._cache.n_present(keys)
        if n_missing:
            self._require_room(n_missing)
        wanted = {str(table.paths[row]) for row in rows.tolist()}
        commit_every = max(1, _SHARD_BYTES // self._row_bytes)
        extract(
            _only(dataset, wanted), self._recipe, weights, store=STORAGE, commit_every=commit_every
        )
        self._cache.refresh()

    def read(self, keys: Sequence[Key]) -> np.ndarray:
        """The maps of images: float32, (n, width).

        Raises
        ------
        DamagedShardError
            When they are not what was written.
        """
        try:
            return self._cache.rows(keys)
        except DamagedShardError as error:
            raise DamagedShardError(
                f"{str(error).partition(':')[0]}: run the same command again, which computes its "
                f"rows again and goes on behind the last epoch"
            ) from error

    def _require_room(self, n_images: int) -> None:
        needed = n_images * self._row_bytes
        free = shutil.disk_usage(self._folder.root).free
        said = (
            f"what the frozen part makes of {counted(n_images, 'image')} takes "
            f"{mebibytes(needed)} in the cache {self._folder.address}"
        )
        if self._folder.is_local and needed > free:
            raise BottlebankError(
                f"{said}, where {mebibytes(free)} are free: unfreeze fewer blocks, or name a cache "
                f"on another disk with --cache"
            )
        logger.warning("%s", said)


def _only(dataset: Dataset, paths: set[str]) -> Dataset:
    kept = [number for number, path in enumerate(dataset.paths) if path in paths]
    return dataclasses.replace(
        dataset,
        paths=[dataset.paths[number] for number in kept],
        labels=[dataset.labels[number] for number in kept],
        splits=[dataset.splits[number] for number in kept],
        groups=[dataset.groups[number] for number in kept] if dataset.groups else (),
        weights=(),
        unreadable=(),
    )
