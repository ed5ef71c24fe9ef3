"""Telling images of none of the classes, by their distance from what was trained on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .layers import Layers


class UnknownRule(NamedTuple):
    """What is needed to say that an image is of none of the classes."""

    means: np.ndarray
    """float32, (n_classes, d): of the training rows."""
    axes: np.ndarray
    """float32, (r, d): directions in which the rows of a class vary."""
    threshold: float
    """Scores below it are unknown."""
    coverage: float
    """Share of known images that the threshold was chosen to let through."""
    temperature: float
    """What logits are divided by."""

    def scores(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """How familiar rows are: float64 (n,), higher is more familiar."""
        rows = np.asarray(features, np.float64)
        products = rows @ self.means.T.astype(np.float64)
        squares = (
            (rows**2).sum(1)[:, None] - 2 * products + (self.means.astype(np.float64) ** 2).sum(1)
        )
        along = rows @ self.axes.T.astype(np.float64)
        centres = (self.means @ self.axes.T).astype(np.float64)
        squares = squares - ((along[:, None, :] - centres) ** 2).sum(2)
        return -squares.min(axis=1)

    def is_unknown(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """bool (n,): whether each row is of none of the classes."""
        return self.scores(features, logits) < self.threshold

    def arrays(self) -> dict[str, np.ndarray]:
        """float32 arrays of the head file."""
        return {"means": self.means, "axes": self.axes}

    def numbers(self) -> dict[str, float]:
        """Numbers of the head file."""
        return {
            "threshold": float(self.threshold),
            "coverage": float(self.coverage),
            "temperature": float(self.temperature),
        }

    @classmethod
    def of(
        cls, arrays: dict[str, np.ndarray], numbers: dict[str, Any], layers: Layers
    ) -> UnknownRule:
        """Put together what `arrays` and `numbers` gave."""
        if set(arrays) != {"means", "axes"}:
            raise ValueError(f"unknown: arrays {sorted(arrays)}")
        if set(numbers) != {"threshold", "coverage", "temperature"}:
            raise ValueError(f"unknown: numbers {sorted(numbers)}")
        for name, value in numbers.items():
            if type(value) is not float or not math.isfinite(value):
                raise ValueError(f"unknown: {name} is {value!r}")
        return cls(**arrays, **numbers)


def fit_unknown(
    layers: Layers,
    features: np.ndarray,
    codes: np.ndarray,
    held_out_features: np.ndarray | None,
    coverage: float = 0.95,
    temperature: float = 1.0,
) -> UnknownRule | None:
    """INTERIM: the shape of the interface; what is inside is still to change."""
    if held_out_features is None:
        return None
    rank = math.floor((1 - coverage) * (len(held_out_features) + 1) + 1e-9)
    if rank < 1:
        return None
    rows = np.asarray(features, np.float64)
    means = np.array([rows[codes == code].mean(0) for code in range(layers.n_classes)])
    within = rows - means[codes]
    values, vectors = np.linalg.eigh(within.T @ within / len(rows))
    values, vectors = values[::-1][:128], vectors[:, ::-1][:, :128]
    floor = 0.3 * values.mean()
    axes = vectors.T * np.sqrt(values / (values + floor))[:, None]
    rule = UnknownRule(
        means.astype(np.float32), axes.astype(np.float32), 0.0, float(coverage), float(temperature)
    )
    logits = layers.logits(held_out_features)
    scores = np.sort(rule.scores(held_out_features, logits))
    return rule._replace(threshold=float(scores[rank - 1]))
