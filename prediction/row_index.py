"""An index of many rows, which finds nearly all of those nearest to a vector without reading all.

It is a graph of neighbours (Malkov & Yashunin 2018, doi:10.1109/TPAMI.2018.2889473) from usearch.
Building it takes as long as ten thousand exact searches, so that it pays only where it is kept.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LibraryNotFoundError
from ..extras import how_to_install
from ..hardware import available_cores
from ..progress import Progress
from .nearest_rows import NearestRows, nearest_rows, row_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_QUERIES = 200
"""On how many rows the recall is measured."""
N_NEAREST = 10
"""How many of the nearest rows each of them should find."""
_ERROR = 1e-5
"""More than a cosine in float32 is off."""
_CANDIDATES = 4
"""Rows of the index, whose numbers are rounded, that are compared exactly for each one wanted."""
_LEAST_CANDIDATES = 128
_MOST_SHARE = 0.01
"""Of more candidates than this, reading all rows is as quick."""
_ROWS_AT_ONCE = 10_000
_ROWS_IN_A_BLOCK = 50_000
_GRAPH_BYTES = 500
INSTALL = how_to_install("index")


def is_installed() -> bool:
    """Whether there is the library that builds the index."""
    return find_spec("usearch") is not None


def index_bytes(n_rows: int, width: int) -> int:
    """About what an index has in memory, beside the rows: them in 16 bits, and their neighbours."""
    return n_rows * (2 * width + _GRAPH_BYTES)


class RowIndex:
    """Rows that are searched many times, approximately. Safe to use from threads.

    Parameters
    ----------
    features
        float32, (n_rows, width), finite. They are not copied: those that the index proposes, from
        numbers of 16 bits, are compared by them.
    progress
        Whether a bar is shown; None: as stderr is.

    Raises
    ------
    LibraryNotFoundError
        When usearch is not installed.
    """

    recall: float
    """0 to 1: the share of the ten nearest rows that a search finds.

    Measured, when the index is built, with 200 of the rows that it does not hold yet against all
    others.
    """

    def __init__(self, features: NDArray[np.float32], *, progress: bool | None = None) -> None:
        if not is_installed():
            raise LibraryNotFoundError(
                f"the approximate search needs usearch, which is not installed: {INSTALL}"
            )
        from usearch.index import Index

        self._features = features
        self._lengths = row_lengths(features)
        n_rows, width = features.shape
        self._index: Any = Index(
            ndim=width, metric="cos", dtype="bf16", expansion_search=_LEAST_CANDIDATES
        )
        rows = np.random.default_rng(0).permutation(n_rows)
        asked, others = np.sort(rows[:N_QUERIES]), np.sort(rows[N_QUERIES:])
        with Progress(f"index of {n_rows:,} images", n_rows, show=progress) as bar:
            self._add(others, bar)
            self.recall = self._measured(asked)
            self._add(asked, bar)

    def nearest(self, vector: NDArray[np.float32], n: int) -> NearestRows:
        """Nearly always the rows with the greatest cosines: see `nearest_rows`.

        Where more than some thousandths of all rows are wanted, all are compared.
        """
        n_candidates = max(_CANDIDATES * n, _LEAST_CANDIDATES)
        if n_candidates > _MOST_SHARE * len(self._features) or not np.any(vector):
            return nearest_rows(self._features, vector, n, lengths=self._lengths)
        rows = self._candidates(vector, n_candidates)
        found = nearest_rows(self._features[rows], vector, n, lengths=self._lengths[rows])
        return NearestRows(rows[found.rows], found.cosines)

    def _candidates(self, vector: NDArray[np.float32], n: int) -> NDArray[np.intp]:
        """Rows in their order; fewer than n where the index holds fewer."""
        unit = vector / np.linalg.norm(vector)
        return np.sort(self._index.search(unit, n).keys).astype(np.intp)

    def _add(self, rows: NDArray[np.intp], bar: Progress) -> None:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            # Of unit length: 16 bits hold no more than that well.
            units = self._features[part] / np.maximum(self._lengths[part], 1e-12)[:, None]
            self._index.add(part.astype(np.uint64), units, threads=available_cores())
            bar.update(len(part))

    def _measured(self, asked: NDArray[np.intp]) -> float:
        """The recall of rows that the index does not hold."""
        least = tenth_best(self._features, self._lengths, asked) - _ERROR
        n_wanted = min(N_NEAREST, len(self._features) - len(asked))
        if n_wanted < 1:
            return 1.0
        shares = []
        for row, enough in zip(asked.tolist(), least.tolist(), strict=True):
            vector = self._features[row]
            if not vector.any():
                continue
            rows = self._candidates(vector, max(_CANDIDATES * N_NEAREST, _LEAST_CANDIDATES))
            near = nearest_rows(self._features[rows], vector, N_NEAREST)
            shares.append(np.count_nonzero(near.cosines >= enough) / n_wanted)
        return float(np.mean(shares)) if shares else 1.0


def tenth_best(
    features: NDArray[np.float32], lengths: NDArray[np.float32], asked: NDArray[np.intp]
) -> NDArray[np.float32]:
    """float32, (m,): of some rows, the tenth greatest cosine with rows that are not among them."""
    queries = features[asked] / np.maximum(lengths[asked], 1e-12)[:, None]
    best = np.full((N_NEAREST, len(asked)), -np.inf, np.float32)
    for start in range(0, len(features), _ROWS_IN_A_BLOCK):
        stop = min(start + _ROWS_IN_A_BLOCK, len(features))
        cosines = features[start:stop] @ queries.T / np.maximum(lengths[start:stop], 1e-12)[:, None]
        cosines[asked[(asked >= start) & (asked < stop)] - start] = -np.inf
        both = np.concatenate([best, cosines])
        best = np.partition(both, len(both) - N_NEAREST, axis=0)[len(both) - N_NEAREST :]
    return best.min(axis=0)
