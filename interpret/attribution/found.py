"""What `saliency` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .methods import INTEGRATED

_LEAST: Final = 1e-9  # less is rounding
_SMOOTHED: Final = 0.01  # of the side, the deviation of the Gaussian


@dataclass(frozen=True, eq=False)
class Saliency:
    """Which parts of an image the probability of a class rests on."""

    method: str
    label: str
    """The class that is explained."""
    probability: float
    """Of that class, 0 to 1."""
    predicted: str
    """The most probable class."""
    unknown: bool
    """Whether the head calls the image unknown."""
    values: np.ndarray
    """float32, (height, width) of the network's input; of Grad-CAM at least 0, of the others
    negative where something speaks against the class."""
    photograph: np.ndarray
    """uint8, (height, width, 3), RGB: as decoded, perhaps reduced."""
    window: tuple[float, float, float, float]
    """(top, left, height, width) of what `values` cover, in pixels of `photograph`."""
    permuted: np.ndarray | None
    """The map of a network with random weights, made as `values`; None where there is no sanity
    check."""
    sanity: float | None
    """Rank correlation, -1 to 1, with the map of a network with random weights, both signed: the
    mean of `sanity_each`."""
    sanity_note: str
    """Why there is no sanity check; empty where there is one."""
    engine: str
    extractor: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the method, and what it says of its work: JSON."""
    sanity_each: tuple[float, ...] = ()
    """Of each network with random weights: `permuted` is of the first. Grad-CAM's maps have so few
    places that one alone agrees or not by chance, so that it is compared with several."""
    sanity_of_sizes: float | None = None
    """As `sanity`, of the sizes of the values as they are drawn, without their signs: what an eye
    compares. Random weights turn signs around even where both maps trace the photograph. None for
    Grad-CAM, whose negative values are not shown."""

    @property
    def shown(self) -> np.ndarray:
        """The values as they are drawn, from `shown_values`."""
        return shown_values(self.method, self.values)

    @property
    def maximum(self) -> tuple[float, float] | None:
        """Where the largest value that is shown lies: shares of the photograph's width and height.

        The middle of the area that has it, as hidden parts make one, or the place in it that is
        nearest to that. Outside 0 to 1 where the
        network sees a border around the photograph. None where nothing speaks for the class.
        """
        values = self.shown
        if not values.max() > _LEAST:
            return None
        from scipy.ndimage import label

        areas: Any = np.empty(values.shape, np.int32)
        label(values == values.max(), output=areas)
        rows, columns = np.nonzero(areas == areas.flat[values.argmax()])
        row, column = float(rows.mean()), float(columns.mean())
        distances = (rows - row) ** 2 + (columns - column) ** 2
        if distances.min() > 1 / 2:  # of a ring, the middle is none of it
            nearest = distances.argmin()
            row, column = float(rows[nearest]), float(columns[nearest])
        top, left, height, width = self.window
        tall, wide = self.values.shape
        x = left + (column + 0.5) / wide * width
        y = top + (row + 0.5) / tall * height
        return x / self.photograph.shape[1], y / self.photograph.shape[0]

    def as_dict(self) -> dict[str, Any]:
        """The figures, without arrays: what `--json` prints."""
        place = self.maximum
        return {
            "method": self.method,
            "class": self.label,
            "probability": self.probability,
            "predicted": self.predicted,
            "unknown": self.unknown,
            "maximum": None
            if place is None
            else {
                "x": round(place[0], 4),
                "y": round(place[1], 4),
                "value": float(self.shown.max()),
            },
            "sanity_rank_correlation": _rounded(self.sanity),
            "sanity_rank_correlations": [_rounded(each) for each in self.sanity_each],
            "sanity_rank_correlation_of_sizes": _rounded(self.sanity_of_sizes),
            "sanity_note": self.sanity_note or None,
            **self.settings,
            "engine": self.engine,
            "extractor": self.extractor,
        }


def shown_values(method: str, values: np.ndarray) -> np.ndarray:
    """A map as it is drawn: single pixels of gradients are lost, their surroundings not."""
    if method != INTEGRATED:
        return values
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, _SMOOTHED * values.shape[0])


def _rounded(correlation: float | None) -> float | None:
    return None if correlation is None else round(correlation, 4)
