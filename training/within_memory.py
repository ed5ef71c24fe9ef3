"""Tables whose transfer values exceed the memory: they are read from a temporary file."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..classifier.registry import HEADS
from ..errors import UsageError
from ..formatting import counted, mebibytes
from ..hardware import available_memory_bytes, require_memory
from ..prediction.stored_rows import StoredRows
from ..rows_on_disk import Rows, RowsOnDisk, rows_on_disk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from ..extraction.feature_table import FeatureTable

COPIES = 5
"""Of all transfer values, that training in memory holds at most; with the libraries, nearly."""
_SHARE = 0.75
"""Of the available memory, where no size is given: the share of `extract`."""

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def within_memory(table: FeatureTable, memory: int | str | None = None) -> Generator[FeatureTable]:
    """The table itself, or one whose `features` are in a temporary file while the block lasts.

    The latter where training would take more memory, which holds the transfer values of images and
    views up to `COPIES` times. Its `features` are `RowsOnDisk`, and what is computed from them is
    the same, to the last bit.

    Parameters
    ----------
    table
        From `extract`.
    memory
        Bytes, or text such as ``"2G"`` or ``"50%"``. None: three quarters of what is available.

    Raises
    ------
    UsageError
        When `memory` is no size.
    TemporaryFileError
        When there is no room for the file.
    """
    memory = _bytes_of(memory)
    n_bytes = 4 * len(table) * (1 + table.n_views) * table.recipe.width
    if COPIES * n_bytes <= memory or isinstance(vars(table).get("features"), RowsOnDisk):
        yield table
        return
    with rows_on_disk(len(table), table.recipe.width) as features:
        logger.info(
            "%s of transfer values are read from a temporary file: in memory, training would take "
            "more than %s",
            mebibytes(n_bytes),
            mebibytes(memory),
        )
        if "features" in vars(table):
            features.put(slice(None), table.features)
        else:
            _put(features, StoredRows(table))
        other = replace(table)
        vars(other)["features"] = features
        yield other


def views_of(table: FeatureTable, rows: np.ndarray) -> Rows | None:
    """Transfer values of the views of images, int (m,); None without views.

    float32, (m, views, width) in memory; on disk where `features` are, (m * views, width).
    """
    if not table.n_views:
        return None
    features: Rows = table.features
    if not isinstance(features, RowsOnDisk):
        return table.view_features(rows)
    keys = table.view_keys(rows.tolist())
    views = features.grown(len(keys))
    _put(views, StoredRows(table, keys))
    return views


def with_views(table: FeatureTable, rows: np.ndarray, n_together: int) -> Iterator[np.ndarray]:
    """Images, int (n,), so many at a time, each before its views: float32 (m, 1 + views, width)."""
    views = views_of(table, rows)
    for start in range(0, len(rows), n_together):
        part = rows[start : start + n_together]
        own = table.features[part][:, np.newaxis]
        if isinstance(views, RowsOnDisk):
            span = slice(start * table.n_views, (start + len(part)) * table.n_views)
            its = views[span].reshape(len(part), table.n_views, -1)
        else:
            assert views is not None, "the table has views"
            its = views[start : start + n_together]
        yield np.concatenate([own, its], axis=1)


def require_rows_in_memory(
    heads: Iterable[str], table: FeatureTable, memory: int | str | None = None
) -> None:
    """Raise UsageError where a head would hold more rows than the memory does."""
    memory = _bytes_of(memory)
    n_bytes = 4 * len(table) * (1 + table.n_views) * table.recipe.width
    for name in heads:
        if not HEADS[name].from_disk and n_bytes > memory:
            streamed = " or ".join(other for other, head in HEADS.items() if head.from_disk)
            raise UsageError(
                f"a {name} head holds the transfer values of all {counted(len(table), 'image')}, "
                f"{mebibytes(n_bytes)}, and memory is {mebibytes(memory)}: take a {streamed} head, "
                f"fewer images, or more --memory"
            )


def _bytes_of(memory: int | str | None) -> int:
    if memory is None:
        return int(_SHARE * available_memory_bytes())
    return require_memory("memory", memory)


def _put(rows: RowsOnDisk, stored: StoredRows) -> None:
    with contextlib.closing(stored), contextlib.closing(stored.blocks()) as blocks:
        for positions, block in blocks:
            rows.put(positions, block)
