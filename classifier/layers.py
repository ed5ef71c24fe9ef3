"""What every trained head comes down to: standardisation, affine layers, a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class Layers(NamedTuple):
    """A head as arrays. A logistic head has one layer, a dense head more, with ReLU between."""

    mean: np.ndarray
    """float32, (d,): subtracted from the transfer values."""
    scale: np.ndarray
    """float32, (d,): what they are divided by then."""
    kernels: Sequence[np.ndarray]
    """float32, (inputs, outputs) each; the last has one output a class."""
    biases: Sequence[np.ndarray]
    """float32, (outputs,) each."""

    @property
    def n_features(self) -> int:
        """Numbers that a row of transfer values has."""
        return len(self.mean)

    @property
    def n_classes(self) -> int:
        """Outputs of the last layer."""
        return len(self.biases[-1])

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float64 (n, n_classes) of features (n, n_features)."""
        values = (np.asarray(features, np.float64) - self.mean) / self.scale  # (n, d)
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)  # (n, hidden)
        return values @ self.kernels[-1] + self.biases[-1]  # (n, classes)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 (n, n_classes), each row adding up to 1: the softmax of the logits."""
        return softmax(self.logits(features))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax of each row, shifted by its maximum so that no exponential overflows."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def standardisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 (d,) mean and scale of the columns; a constant column has scale 1.

    The sums are taken in float64: a float32 sum over many rows loses digits.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64)
    # A column that is constant but for rounding carries nothing and must not be blown up.
    negligible = scale <= 1e-6 * np.maximum(np.abs(mean), 1e-12)
    scale[negligible] = 1.0
    return mean.astype(np.float32), scale.astype(np.float32)
