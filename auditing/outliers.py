"""Photographs unlike all others, and unlike those of their own class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .finding import OUTLIER, Finding

if TYPE_CHECKING:
    from .label_errors import Suspicions
    from .material import Material

DEVIATIONS = 3.5
"""Beyond which a distance is unusual, in deviations from the median (Iglewicz & Hoaglin, *How to
detect and handle outliers*, 1993)."""
_LEAST_IMAGES = 20
"""Of all, or of a class, from which it can be said what is usual."""
_DEVIATION_OF_MAD = 1.4826  # of a normal distribution


def find(material: Material, found: Suspicions) -> list[Finding]:
    """Images far from their five nearest, of all or of their class; the farthest first.

    Those with a flagged label are left out: they are unlike their class since they are of another.
    """
    nearest = material.nearest
    of_all = deviations(nearest.distance)
    of_class = np.full(len(of_all), -np.inf)
    for code in np.unique(material.classes[material.classes >= 0]).tolist():
        rows = np.flatnonzero(material.classes == code)
        of_class[rows] = deviations(nearest.distance_in_class[rows])
    far = np.maximum(of_all, of_class)
    rows = np.flatnonzero((far > DEVIATIONS) & ~found.flagged)
    rows = rows[np.argsort(-far[rows], kind="stable")]
    labels = [material.labels[row] for row in rows]
    examples = material.examples(rows, labels, found.flagged)
    findings = []
    for place, row in enumerate(rows.tolist()):
        than = "all other images" if of_all[row] > DEVIATIONS else "the images of its class"
        findings.append(
            Finding(
                OUTLIER,
                row,
                float(1 - DEVIATIONS / (DEVIATIONS + far[row])),
                f"unlike {than}: {far[row]:.1f} deviations farther than usual",
                "",
                examples[place],
            )
        )
    return findings


def deviations(distances: np.ndarray) -> np.ndarray:
    """float64 (n,): how unusual distances (n,) are, by their median and what lies above it.

    Distances have no symmetric distribution: the deviation is that of the upper half. Nothing is
    unusual among fewer than 20, among equal ones, or where a distance is NaN.
    """
    known = distances[np.isfinite(distances)]
    nothing = np.full(len(distances), -np.inf)
    if len(known) < _LEAST_IMAGES:
        return nothing
    middle = float(np.median(known))
    above = known[known >= middle] - middle
    spread = _DEVIATION_OF_MAD * float(np.median(above))
    if spread <= 1e-6:
        return nothing
    return np.where(np.isfinite(distances), (distances - middle) / spread, -np.inf)
