"""A table whose rows lie in a cache, in another order than its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bottlebank.cache import CacheFolder, Variant

from .toy_table import toy_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bottlebank.extraction import FeatureTable


def banked_table(
    features: np.ndarray,
    labels: Sequence[str],
    cache: Path,
    *,
    store: str = "float32",
    shard_rows: int = 7,
    **columns: Any,
) -> FeatureTable:
    """As `toy_table`; the features are read from the cache, into which they are written here."""
    from dataclasses import replace

    table = toy_table(features, labels, cache, **columns)
    del vars(table)["features"]
    order = np.random.default_rng(5).permutation(len(features)).tolist()
    written: set[Any] = set()
    with CacheFolder(cache, create=True) as folder:
        opened = folder.open(table.report.fingerprint, Variant("float32", store).name)
        with opened.writer({}, commit_every_rows=shard_rows) as writer:
            for row in order:
                if table.keys[row] not in written:
                    writer.add(table.keys[row], b"p", features[row])
                    written.add(table.keys[row])
    return replace(table, report=replace(table.report, store=store))
