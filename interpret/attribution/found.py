"""What `saliency` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


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
    """The map of the network with random weights, of the shape of `values`, signed also for
    Grad-CAM; None where there is no sanity check."""
    sanity: float | None
    """Rank correlation, -1 to 1, of the map and `permuted`, both signed."""
    sanity_note: str
    """Why there is no sanity check; empty where there is one."""
    engine: str
    extractor: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the method, and what it says of its work: JSON."""

    @property
    def is_signed(self) -> bool:
        """Whether something speaks against the class."""
        return bool((self.values < 0).any())

    @property
    def maximum(self) -> tuple[float, float]:
        """Where the largest value lies: shares of the photograph's width and height.

        Outside 0 to 1 where the network sees a border around the photograph.
        """
        row, column = np.unravel_index(self.values.argmax(), self.values.shape)
        top, left, height, width = self.window
        tall, wide = self.values.shape
        x = left + (int(column) + 0.5) / wide * width
        y = top + (int(row) + 0.5) / tall * height
        return x / self.photograph.shape[1], y / self.photograph.shape[0]

    def as_dict(self) -> dict[str, Any]:
        """The figures, without arrays: what `--json` prints."""
        x, y = self.maximum
        return {
            "method": self.method,
            "class": self.label,
            "probability": self.probability,
            "predicted": self.predicted,
            "unknown": self.unknown,
            "maximum": {"x": round(x, 4), "y": round(y, 4), "value": float(self.values.max())},
            "sanity_rank_correlation": None if self.sanity is None else round(self.sanity, 4),
            "sanity_note": self.sanity_note or None,
            **self.settings,
            "engine": self.engine,
            "extractor": self.extractor,
        }
