"""The units of a network that tell the classes of a table apart most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import UsageError
from ...formatting import counted
from ...viz.dataset_views.units import N_EXCITING, Unit, draw_units
from ..thumbnails import thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    from ...extraction import FeatureTable
    from ...viz.theme import Theme

N_UNITS = 8
"""Of all classes, where there are many."""
N_FIRST_UNITS = 3
"""Of all classes, where each class has one of its own as well."""
MOST_OWN_UNITS = 12
"""Classes up to which each has a unit of its own."""
_SIDE_PX = 128
_ALIKE = 0.9
"""Correlation of two units that say the same: the weaker one is left out."""


def units(table: FeatureTable, output: Path, title: str, theme: Theme) -> str:
    """Draw the units that tell classes apart, and what excites them; return the caption."""
    labelled = np.flatnonzero(table.labels != "")
    part = table if len(labelled) == len(table) else table.some(labelled)
    n_classes = len(set(part.labels.tolist()))
    if n_classes < 2:
        raise UsageError(
            f"units are compared between classes: expected at least two classes, received "
            f"{n_classes}; the kind samples shows the images"
        )
    features = part.features
    has_own = n_classes <= MOST_OWN_UNITS
    shares = share_between(features, part.labels)
    first = distinct(features, shares, N_FIRST_UNITS if has_own else N_UNITS)
    chosen = [(unit, float(shares[unit]), None) for unit in first]
    if has_own:
        chosen += [own for own in own_units(features, part.labels) if own[0] not in first]
    if not chosen:
        raise UsageError(
            f"no unit tells the {n_classes} classes apart: all images have the same transfer values"
        )
    shown = []
    for unit, share, tells in chosen:
        values = features[:, unit]
        exciting = []
        for row in np.argsort(-values, kind="stable").tolist():
            if len(exciting) == N_EXCITING:
                break
            pixels = thumbnail(part, row, _SIDE_PX)
            if pixels is not None:
                exciting.append(pixels)
        shown.append(Unit(unit, share, values, exciting, tells))
    best = (
        "; below, for each class, the best that is greater in it than elsewhere, if it is none of "
        "these"
        if has_own
        else ""
    )
    caption = (
        f"{len(first)} of the {counted(features.shape[1], 'unit')} of {table.report.extractor}, by "
        f"the share of their variance that lies between classes (eta squared of an analysis of "
        f"variance){best}; units that say nearly the same are left out. Lines reach from the 10th "
        f"to the 90th percentile of a class, dots are medians."
    )
    draw_units(shown, part.labels.tolist(), output, title, caption, theme)
    return caption


def own_units(features: np.ndarray, labels: np.ndarray) -> list[tuple[int, float, str]]:
    """For each class, the unit that tells it from all others, and is greater in it.

    A unit is that of one class alone, the one that it tells apart more, so that a class which
    resembles another has the best of those that are left.

    Parameters
    ----------
    features, labels
        As for `share_between`.

    Returns
    -------
    list of (int, float, str)
        Unit, share of its variance between the class and the others, and class, in the order of
        their names; without a class that no unit is greater in.
    """
    names = np.unique(labels).tolist()
    shares = np.empty((len(names), features.shape[1]))
    for row, name in enumerate(names):
        is_of = labels == name
        # In float64: float32 sums would differ in constant units by their rounding.
        greater = features[is_of].mean(axis=0, dtype=float) > features[~is_of].mean(
            axis=0, dtype=float
        )
        shares[row] = np.where(greater, share_between(features, is_of), 0)
    found = []
    for _ in names:
        row, unit = np.unravel_index(shares.argmax(), shares.shape)
        if shares[row, unit] <= 0:
            break
        found.append((int(unit), float(shares[row, unit]), names[row]))
        shares[row] = 0
        shares[:, unit] = 0
    return sorted(found, key=lambda own: names.index(own[2]))


def share_between(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each unit's variance, the share that lies between the classes.

    This is eta squared, the sum of squares between groups over all (Fisher, "Statistical Methods
    for Research Workers", 1925). It ranks units as the F of an analysis of variance does, since
    F = (n - k) / (k - 1) · share / (1 - share).

    Parameters
    ----------
    features
        float32, (n, d).
    labels
        (n,), of any type that has an order.

    Returns
    -------
    ndarray
        float64, (d,), 0 to 1; 0 where a unit is constant.
    """
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    total = np.einsum("nd,nd->d", values, values)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, codes, values)
    between = (sums**2 / counts[:, None]).sum(axis=0)
    # Rounding alone gives a constant unit some variance.
    scale = np.abs(features).max(axis=0).astype(np.float64)
    varies = total > len(values) * (scale * 1e-6) ** 2
    return np.where(varies, np.clip(between / np.where(varies, total, 1), 0, 1), 0.0)


def distinct(features: np.ndarray, shares: np.ndarray, n_units: int) -> list[int]:
    """The units of the greatest shares, without those that another of them correlates with."""
    chosen: list[int] = []
    for unit in np.argsort(-shares, kind="stable").tolist():
        if len(chosen) == n_units or shares[unit] <= 0:
            break
        values = features[:, unit]
        alike = (abs(np.corrcoef(values, features[:, other])[0, 1]) for other in chosen)
        if all(correlation < _ALIKE for correlation in alike):
            chosen.append(unit)
    return chosen
