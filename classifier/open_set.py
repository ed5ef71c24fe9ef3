"""Recognising images of none of the classes, by three signs.

- **Odds**: an image that resembles several classes leaves the head undecided. But a head is often
  surest of rows far from all that it was trained on: in a column that hardly varies in training,
  any other image lies thousands of deviations away. So odds count up to a limit only.
- **Distance** to the nearest prototype: each class is summed up by a few directions (k-means on the
  sphere), and a distance counts in units of what the training rows of that prototype have. Rows
  enter as directions of their square roots: transfer values are averages of activations, of which
  few are large, and the root keeps these from deciding alone.
- **Range**: how far values lie outside of what they are in training. Directions do not show it
  where a network gives all images nearly the same one, or a row is far too long.

Each is standardised on held-out rows. The score is the odds minus the distance, or minus the range
where that is greater; it counts only beyond what nearly all held-out rows have.

``python benchmarks/unknown.py`` compares it with other ways.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import UsageError
from ..rows_on_disk import some_rows
from .weights import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..rows_on_disk import Rows
    from .layers import Layers

MOST_PROTOTYPES = 512
"""Of all classes together, 4 MB where an image has 2,048 transfer values; at least one per
class."""
ROWS_A_PROTOTYPE = 4
"""Training rows that a prototype sums up at least, on average."""
_MOST_ROWS = 2000  # of a class: enough for means, and the time stays bounded
_ROUNDS = 10
_ODDS_LIMIT = 2.0
"""Deviations above the mean up to which odds count: few held-out rows have more."""
_RANGE_FROM, _RANGE_WEIGHT = 2.0, 2.5
"""Deviations above the mean from which the range counts, and what one counts from there."""
_MOST_DEVIATIONS = 5.0
"""Of one value: beyond it counts as this, so that no column that hardly varies decides alone."""
_ROWS_AT_ONCE = 1024
ARRAYS = ("prototypes", "spreads")
_POSITIVE = ("temperature", "odds_scale", "distance_scale", "range_scale")


class UnknownRule(NamedTuple):
    """The rule that decides whether an image is of none of the classes."""

    prototypes: np.ndarray
    """float32, (m, d), each of length 1: directions around which the training rows lie."""
    spreads: np.ndarray
    """float32, (m,): mean distance of a prototype's training rows from it."""
    temperature: float
    """What logits are divided by."""
    odds_mean: float
    odds_scale: float
    """Mean and deviation of the log odds of held-out rows."""
    distance_mean: float
    distance_scale: float
    """Mean and deviation of the distances of held-out rows."""
    threshold: float
    """Scores below it are unknown."""
    coverage: float
    """Share of images of the classes that should stay answered."""
    odds_limit: float = math.inf
    """Standardised odds count up to it."""
    range_mean: float = 0.0
    range_scale: float = 1.0
    """What is taken from the logarithms of ranges, and what they are divided by then."""
    standardisation: tuple[np.ndarray, np.ndarray] | None = None
    """float32, (d,) each: mean and scale of the layers, which ranges count from and in. None in
    heads of earlier versions, which had neither a limit nor ranges."""

    def __repr__(self) -> str:
        n_prototypes, width = self.prototypes.shape
        return (
            f"<UnknownRule {n_prototypes} prototypes × {width}, threshold {self.threshold:.3f}, "
            f"coverage {self.coverage}>"
        )

    def scores(self, features: Rows, logits: np.ndarray) -> np.ndarray:
        """How familiar images are.

        Parameters
        ----------
        features
            float, (n, d): transfer values.
        logits
            float, (n, n_classes): what the head makes of them.

        Returns
        -------
        ndarray
            float64, (n,): higher is more familiar; 0 is usual for images of the classes.
        """
        odds = _log_odds(np.asarray(logits, np.float64) / self.temperature)
        odds = np.minimum((odds - self.odds_mean) / self.odds_scale, self.odds_limit)
        distances = _distances(features, self.prototypes, self.spreads)
        distances = (distances - self.distance_mean) / self.distance_scale
        if self.standardisation is not None:
            ranges = _log_ranges(features, *self.standardisation)
            distances = np.maximum(distances, (ranges - self.range_mean) / self.range_scale)
        return odds - distances

    def is_unknown(self, features: Rows, logits: np.ndarray) -> np.ndarray:
        """bool (n,): whether each image is most likely of none of the classes."""
        return ~(self.scores(features, logits) >= self.threshold)  # so is what is not a number

    def arrays(self) -> dict[str, np.ndarray]:
        """The float32 arrays by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    def numbers(self) -> dict[str, float]:
        """The plain numbers by name."""
        names = _EARLIER_NUMBERS if self.standardisation is None else _NUMBERS
        return {name: float(getattr(self, name)) for name in names}

    @classmethod
    def of(
        cls, arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any], layers: Layers
    ) -> UnknownRule:
        """Put a rule together again from what `arrays` and `numbers` gave.

        Raises
        ------
        ValueError
            When a name, type, shape or value is not what a rule for these layers has.
        """
        is_earlier = set(numbers) == set(_EARLIER_NUMBERS)
        if set(arrays) != set(ARRAYS) or not (is_earlier or set(numbers) == set(_NUMBERS)):
            raise ValueError(f"the unknown rule has {sorted([*arrays, *numbers])}")
        for name, array in arrays.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"{name} of the unknown rule are not all finite float32 numbers")
        for name, number in numbers.items():
            if type(number) is not float or not math.isfinite(number):
                raise ValueError(f"{name} of the unknown rule is {number!r}, no finite number")
        prototypes, spreads = (arrays[name] for name in ARRAYS)
        most = max(MOST_PROTOTYPES, layers.n_classes)
        if spreads.ndim != 1 or not 1 <= len(spreads) <= most or not (spreads > 0).all():
            raise ValueError(f"spreads must be 1 to {most} positive numbers; got {spreads.shape}")
        expected = (len(spreads), layers.n_features)
        if prototypes.shape != expected:
            raise ValueError(f"prototypes have the shape {prototypes.shape}; expected {expected}")
        positive = [name for name in _POSITIVE if name in numbers]
        if not (all(numbers[name] > 0 for name in positive) and 0 < numbers["coverage"] < 1):
            raise ValueError(f"{positive} must be positive and coverage within 0 and 1: {numbers}")
        standardisation = None if is_earlier else (layers.mean, layers.scale)
        return cls(**arrays, **numbers, standardisation=standardisation)


_NUMBERS = tuple(name for name in UnknownRule._fields if name not in (*ARRAYS, "standardisation"))
_EARLIER_NUMBERS = tuple(name for name in _NUMBERS if name not in UnknownRule._field_defaults)


def fit_unknown(
    layers: Layers,
    features: Rows,
    codes: np.ndarray,
    held_out_features: Rows | None,
    coverage: float = 0.95,
    temperature: float = 1.0,
    *,
    weights: np.ndarray | None = None,
    held_out_weights: np.ndarray | None = None,
) -> UnknownRule | None:
    """Make the rule that recognises images of none of the classes.

    The threshold is the score of rank ``floor((1 - coverage) * (m + 1))`` from below of the m
    held-out rows. A further image of the classes, drawn as these were, scores less with a
    probability of at most 1 - coverage (split conformal prediction), but for the little that the
    held-out rows have decided before: six means and deviations, a temperature, when a dense head
    stopped. What share of the images of other things is caught depends on these and is promised by
    nobody.

    Parameters
    ----------
    layers
        The trained head.
    features
        float32, (n, d): the rows that it was trained on.
    codes
        int, (n,): the class of each, as a column of the logits.
    held_out_features
        float32, (m, d): rows of the same classes that it was not trained on.
    coverage
        Share of images of the classes that should stay answered, 0 to 1.
    temperature
        What logits are divided by before they are probabilities.
    weights, held_out_weights
        float, (n,) and (m,), above 0: what each row weighs beside the others; None: 1. Only their
        proportions count. A row of weight 2 is the row twice, and copies of a row are one row.

    Returns
    -------
    UnknownRule or None
        None without enough held-out rows for the coverage: 19 for 0.95, 99 for 0.99.

    Raises
    ------
    UsageError
        When the coverage is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from bottlebank.classifier import LogisticHead
    >>> rows = np.random.default_rng(0).gamma(np.eye(3)[np.arange(300) % 3] + 0.3).astype("f4")
    >>> head = LogisticHead().fit(rows[:200], np.arange(200) % 3)
    >>> rule = fit_unknown(head.layers_, rows[:200], np.arange(200) % 3, rows[200:])
    >>> bool(rule.is_unknown(rows[200:], head.layers_.logits(rows[200:])).mean() <= 0.05)
    True
    """
    if not 0 < coverage < 1:
        raise UsageError(f"coverage must lie between 0 and 1; got {coverage}")
    if held_out_features is None or not len(held_out_features):
        return None
    of_one_kind = np.zeros(len(held_out_features), np.int64)
    held_out, held_out_weights = _distinct(held_out_features, of_one_kind, held_out_weights)
    held_out_features, n_held_out = some_rows(held_out_features, held_out), len(held_out)
    # (1 - 0.95) * 20 is a little more than 1 in binary, (1 - 0.9) * 10 a little less.
    rank = math.floor((1 - coverage) * (n_held_out + 1) + 1e-9)
    if not 1 <= rank <= n_held_out:
        return None
    rows, weights = _distinct(features, codes, weights)
    prototypes, spreads = _summed_up(
        some_rows(features, rows), codes[rows], weights, layers.n_classes
    )
    logits = layers.logits(held_out_features)
    odds = _log_odds(logits / temperature)
    distances = _distances(held_out_features, prototypes, spreads)
    standardisation = (layers.mean, layers.scale)
    ranges = _log_ranges(held_out_features, *standardisation)
    range_mean, range_scale = _mean_and_scale(ranges, held_out_weights)
    rule = UnknownRule(
        prototypes,
        spreads,
        float(temperature),
        *_mean_and_scale(odds, held_out_weights),
        *_mean_and_scale(distances, held_out_weights),
        threshold=0.0,
        coverage=float(coverage),
        odds_limit=_ODDS_LIMIT,
        range_mean=range_mean + _RANGE_FROM * range_scale,
        range_scale=range_scale / _RANGE_WEIGHT,
        standardisation=standardisation,
    )
    scores = rule.scores(held_out_features, logits)
    ascending = scores.argsort()
    at_least = held_out_weights[ascending].cumsum() >= rank - 1e-9
    threshold = float(scores[ascending[at_least.argmax()]])
    # The last digits of a matrix product depend on the number of rows: alone, the row that set the
    # threshold must not fall below it.
    return rule._replace(threshold=threshold - 1e-4)


def _distinct(
    rows: Rows, codes: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The first of each row and its copies, by position, and what they weigh, 1 on average."""
    weights = np.ones(len(rows)) if weights is None else weights
    positions, weights = distinct(rows, codes, weights)
    order = positions.argsort()
    return positions[order], weights[order] / weights.mean()


def _mean_and_scale(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of values (m,); 1 where they do not differ."""
    mean = (weights * values).sum() / weights.sum()
    variance = (weights * np.square(values - mean)).sum() / weights.sum()
    return float(mean), float(np.sqrt(variance)) or 1.0


def _log_odds(logits: np.ndarray) -> np.ndarray:
    """(n,): of the most probable class against all others, without leaving the logarithm."""
    ascending = np.sort(logits, axis=1)
    rest = ascending[:, :-1] - ascending[:, -2:-1]  # the greatest of the others is 0
    return ascending[:, -1] - ascending[:, -2] - np.log(np.exp(rest).sum(axis=1))


def _directions(features: Rows) -> np.ndarray:
    """float32 (n, d) of length 1; some backbones have values below 0, which keep their sign."""
    directions = np.empty(features.shape, np.float32)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        roots = directions[start : start + _ROWS_AT_ONCE]
        block = np.asarray(features[start : start + _ROWS_AT_ONCE], np.float32)
        np.sqrt(np.abs(block, out=roots), out=roots)
        roots *= np.sign(block)
        roots /= _lengths(roots)
    return directions


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / _lengths(rows)


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _distances(features: Rows, prototypes: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """float64 (n,): to the nearest prototype, in units of its spread."""
    distances = np.empty(len(features))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        cosines = _directions(features[block]) @ prototypes.T  # (block, m)
        distances[block] = (_above_0(1 - cosines) / spreads).min(axis=1)
    return distances


def _above_0(distances: np.ndarray) -> np.ndarray:
    """Without the last digits, by which the cosine of two equal directions may exceed 1."""
    return np.maximum(distances, 0)


def _log_ranges(features: Rows, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float64 (n,): logarithm of how many deviations the values of a row lie from the mean."""
    squares = np.empty(len(features))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        off = np.array(features[block], np.float64)  # (block, d)
        off -= mean
        np.abs(off, out=off)
        off /= scale
        np.minimum(off, _MOST_DEVIATIONS, out=off)
        squares[block] = np.square(off, out=off).mean(axis=1)
    return np.log(np.maximum(squares, 1e-12)) / 2


def _summed_up(
    features: Rows, codes: np.ndarray, weights: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """float32 prototypes (m, d) of all classes and their spreads (m,)."""
    most = max(1, MOST_PROTOTYPES // n_classes)
    prototypes, totals, counts = [], [], []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        rows = np.random.default_rng(0).permutation(rows)[:_MOST_ROWS]
        directions = _directions(some_rows(features, rows))
        n_clusters = min(most, max(1, len(rows) // ROWS_A_PROTOTYPE))
        centres = _cluster(directions, weights[rows], n_clusters)
        cosines = directions @ centres.T
        nearest = cosines.argmax(axis=1)
        prototypes.append(centres)
        distances = weights[rows] * _above_0(1 - cosines.max(axis=1))
        counts.append(np.bincount(nearest, weights[rows], minlength=len(centres)))
        totals.append(np.bincount(nearest, distances, minlength=len(centres)))
    count, total = np.concatenate(counts), np.concatenate(totals)
    # One more row at the mean distance of all: few rows, or equal ones, say little of a spread.
    spreads = (total + max(total.sum() / count.sum(), 1e-6)) / (count + 1)
    return np.concatenate(prototypes), spreads.astype(np.float32)


def _cluster(directions: np.ndarray, weights: np.ndarray, n_clusters: int) -> np.ndarray:
    """float32 (n_clusters, d) of length 1: k-means by cosine, from the first rows on."""
    centres = directions[:n_clusters]
    for _ in range(_ROUNDS):
        nearest = (directions @ centres.T).argmax(axis=1)
        members = (nearest[:, None] == np.arange(n_clusters)).astype(np.float32)
        sums = (members * weights[:, None].astype(np.float32)).T @ directions
        centres = np.where(members.any(axis=0)[:, None], _unit(sums), centres)
    return centres
