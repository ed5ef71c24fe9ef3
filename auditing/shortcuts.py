"""Properties that tell a class without looking at what its photographs show.

A network learns them in place of what is meant: when all photographs of one class are brighter, or
PNG files, or from one camera, a head is good on them, and on no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from ..classifier.metrics.comparison import holm
from ..formatting import percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from .properties import Properties

EFFECT = 0.7
"""Balanced accuracy from which a property is named: chance is 0.5, and on photographs of clothing,
whose classes differ in shape and colour, no property of any class has more than 0.66."""
LEVEL = 0.01
"""Below which its p-value has to be, corrected for all properties and classes."""
LEAST_IMAGES = 10
"""Of a class and of all others together: from fewer nothing is concluded."""
N_FOLDS = 5
_N_BINS = 8


class Shortcut(NamedTuple):
    """A property by which a class can be told from all others."""

    property: str
    label: str
    balanced_accuracy: float
    """Cross-validated, of a classifier that sees the property alone; 0.5 is chance."""
    p_value: float
    """Of being chance, corrected by Holm's method."""
    how: str
    """What is different about the class."""

    def in_words(self) -> str:
        """One line."""
        return (
            f"{self.property} alone tells {self.label!r} from the other classes with a balanced "
            f"accuracy of {percent(self.balanced_accuracy)} (chance 50 %): {self.how}"
        )


def find(properties: Properties, classes: np.ndarray, seed: int = 0) -> list[Shortcut]:
    """Try each property on each class; the strongest first.

    Parameters
    ----------
    properties
        Of n images.
    classes
        str, (n,): labels; images whose label is empty take no part.
    seed
        Of the folds.

    Notes
    -----
    The classifier is naive Bayes on eight quantiles of each number, and on each format or folder,
    with all classes of equal weight. Its balanced accuracy, the mean of the shares of images that
    are right among the class and among the others, is compared with 0.5 by its standard error.
    """
    rows = np.flatnonzero(classes != "")
    names, codes = np.unique(classes[rows], return_inverse=True)
    folds = np.empty(len(rows), int)
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    folds[order] = np.arange(len(rows)) % N_FOLDS
    enough = [
        code
        for code, n in enumerate(np.bincount(codes, minlength=len(names)).tolist())
        if min(n, len(rows) - n) >= LEAST_IMAGES
    ]
    tried: list[tuple[str, int, float, float, Callable[[np.ndarray], str]]] = []
    for name, columns, how in _properties(properties, rows, classes):
        if all(len(np.unique(column)) < 2 for column in columns):
            continue
        for code in enough:
            accuracy, p_value = _told_apart(columns, codes == code, folds)
            tried.append((name, code, accuracy, p_value, how))
    corrected = holm([p_value for *_, p_value, _ in tried]) if tried else []
    found = [
        Shortcut(name, str(names[code]), accuracy, p_value, how(codes == code))
        for (name, code, accuracy, _, how), p_value in zip(tried, corrected, strict=True)
        if accuracy >= EFFECT and p_value < LEVEL
    ]
    # What comes first among the properties explains what follows from it, such as the file's size.
    return sorted(found, key=lambda each: -round(each.balanced_accuracy, 2))


def _properties(
    properties: Properties, rows: np.ndarray, labels: np.ndarray
) -> list[tuple[str, list[np.ndarray], Callable[[np.ndarray], str]]]:
    """Name, columns (m,) of the rows, and what is different, of each property."""
    numbers, codes = properties.numbers, []
    for name, values in (
        ("file format", properties.formats[rows]),
        ("folder", without_labels(properties.folders[rows], labels[rows])),
    ):
        _, column = np.unique(values, return_inverse=True)
        codes.append((name, [column], _in_shares(values)))
    found = []
    for name, fields, more, less in (
        ("brightness", ("brightness", "highlights", "white"), "brighter", "darker"),
        ("contrast", ("contrast",), "of more contrast", "of less contrast"),
        ("colour", ("colour",), "more colourful", "greyer"),
        ("sharpness", ("sharpness",), "sharper", "more blurred"),
        ("picture size", ("size",), "larger", "smaller"),
        ("aspect", ("aspect",), "wider", "narrower"),
        ("file size", ("file_size",), "larger as files", "smaller as files"),
    ):
        columns = [numbers[field][rows] for field in fields]
        found.append((name, [_quantiles(column) for column in columns], _than(columns, more, less)))
    return [*codes, *found]


def without_labels(folders: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Folders, str (n,), without the part of their path that is the class, where one is."""
    parts = [str(folder).replace("\\", "/").split("/")[::-1] for folder in folders]
    most, at = 0.5, None
    for depth in range(max(map(len, parts), default=0)):
        same = [
            len(part) > depth and part[depth].casefold() == label.casefold()
            for part, label in zip(parts, labels.tolist(), strict=True)
        ]
        if np.mean(same) > most:
            most, at = float(np.mean(same)), depth
    if at is None:
        return folders
    return np.array(["/".join([*part[:at], *part[at + 1 :]][::-1]) for part in parts])


def _quantiles(values: np.ndarray) -> np.ndarray:
    """int (n,): the eighth of the values that each is in; unknown ones are one more."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), int)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _N_BINS + 1)[1:-1]))
    return np.where(
        np.isfinite(values), np.searchsorted(edges, values, side="right"), len(edges) + 1
    )


def _told_apart(
    columns: list[np.ndarray], is_class: np.ndarray, folds: np.ndarray
) -> tuple[float, float]:
    """Balanced accuracy out of fold, and its p-value."""
    odds = np.zeros(len(is_class))
    for fold in range(N_FOLDS):
        held_out = folds == fold
        for column in columns:
            n_bins = int(column.max()) + 1
            of_class, of_rest = (
                np.bincount(column[~held_out & mask], minlength=n_bins) + 1.0
                for mask in (is_class, ~is_class)
            )
            ratio = np.log(of_class / of_class.sum()) - np.log(of_rest / of_rest.sum())
            odds[held_out] += ratio[column[held_out]]
    right = np.where(odds == 0, 0.5, (odds > 0) == is_class)
    accuracy = float((right[is_class].mean() + right[~is_class].mean()) / 2)
    variance = (0.25 / is_class.sum() + 0.25 / (~is_class).sum()) / 4  # were it chance
    return accuracy, float(ndtr(-(accuracy - 0.5) / np.sqrt(variance)))


def _in_shares(values: np.ndarray) -> Callable[[np.ndarray], str]:
    def how(is_class: np.ndarray) -> str:
        kinds = np.unique(values)
        shares = [(values[is_class] == kind).mean() for kind in kinds]
        others = [(values[~is_class] == kind).mean() for kind in kinds]
        at = int(np.argmax(np.subtract(shares, others)))
        return (
            f"{percent(shares[at])} of its images are {str(kinds[at]) or 'unknown'}, of the others "
            f"{percent(others[at])}"
        )

    return how


def _than(columns: list[np.ndarray], more: str, less: str) -> Callable[[np.ndarray], str]:
    def how(is_class: np.ndarray) -> str:
        # In the column that differs most, in deviations.
        ends = [
            (np.nanmean(column[is_class]) - np.nanmean(column[~is_class]))
            / (np.nanstd(column) or 1.0)
            for column in columns
        ]
        at = int(np.argmax(np.abs(ends)))
        return f"its photographs are {more if ends[at] > 0 else less}"

    return how
