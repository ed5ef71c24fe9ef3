"""What lies near each image, by its transfer values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..progress import Progress

N_NEAREST = 5
_ROWS_AT_ONCE = 256
_LEAST_LENGTH = 1e-12


class Nearest(NamedTuple):
    """What lies near each of n rows."""

    units: np.ndarray
    """float32, (n, d): the rows, centred and of length 1; 0 where a row is the mean of all."""
    distance: np.ndarray
    """float64, (n,): mean distance to the five nearest rows; NaN where there are none."""
    distance_in_class: np.ndarray
    """The same, to the nearest rows of the same label."""


def nearest_of(
    features: np.ndarray,
    codes: np.ndarray,
    contents: Sequence[bytes],
    bar: Progress | None = None,
) -> Nearest:
    """Measure how far each row lies from its nearest, equal files left out.

    Parameters
    ----------
    features
        float32, (n, d).
    codes
        int, (n,): the label of each; rows of -1 have none, and are no class.
    contents
        Hash of each file.
    bar
        Counts the rows that are done.

    Notes
    -----
    The distance is 1 less the cosine between the square roots of transfer values, as in the rule
    that recognises images of none of the classes: mostly positive sums over a picture, they are
    like counts, whose roots have equal deviations.
    """
    roots = np.sign(features) * np.sqrt(np.abs(features))
    roots /= np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), _LEAST_LENGTH)
    _, files = np.unique(np.frombuffer(b"".join(contents), "V32"), return_inverse=True)
    n = len(roots)
    distance, in_class = np.full(n, np.nan), np.full(n, np.nan)
    for first in range(0, n, _ROWS_AT_ONCE):
        block = slice(first, first + _ROWS_AT_ONCE)
        cosines = roots[block] @ roots.T  # (block, n)
        cosines[files[block, None] == files] = -np.inf
        distance[block] = _mean_distance(cosines)
        cosines[codes[block, None] != codes] = -np.inf
        in_class[block] = _mean_distance(cosines)
        if bar is not None:
            bar.update(len(cosines))
    in_class[codes < 0] = np.nan
    return Nearest(units_of(features), distance, in_class)


def units_of(features: np.ndarray) -> np.ndarray:
    """float32 (n, d): rows less their mean, of length 1; what all images share says nothing."""
    off = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(off, axis=1, keepdims=True)
    scale = float(np.abs(features).max(initial=0))
    return np.where(
        lengths > 1e-5 * scale, off / np.maximum(lengths, _LEAST_LENGTH), np.float32(0)
    ).astype(np.float32)


def _mean_distance(cosines: np.ndarray) -> np.ndarray:
    """float64 (m,) of cosines (m, n), those of -inf left out."""
    k = min(N_NEAREST, cosines.shape[1])
    best = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:].astype(np.float64)
    known = np.isfinite(best)
    total = np.where(known, 1 - np.clip(best, -1, 1), 0).sum(axis=1)
    n_known = known.sum(axis=1)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def most_similar(
    units: np.ndarray, rows: np.ndarray, among: np.ndarray, n_most: int
) -> list[tuple[int, ...]]:
    """For each of some rows, int (m,), the most similar among others, itself left out."""
    if not len(among):
        return [()] * len(rows)
    others = units[among]
    last = max(0, len(among) - n_most - 1)
    found = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[first : first + _ROWS_AT_ONCE]
        cosines = units[block] @ others.T
        least = np.partition(cosines, last, axis=1)[:, last]
        for row, mine, enough in zip(block.tolist(), cosines, least, strict=True):
            near = np.flatnonzero(mine >= enough)  # with those that are as near as the last
            order = among[near[np.lexsort((among[near], -mine[near]))]]
            found.append(tuple(order[order != row][:n_most].tolist()))
    return found
