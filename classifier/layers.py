"""What every trained head comes down to: standardisation, affine layers, a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rows_on_disk import Rows

_ROWS_AT_ONCE = 1024
"""A few megabytes, which a processor's caches hold."""


class Layers(NamedTuple):
    """A head as arrays. A logistic head has one layer, a dense head more, with ReLU between."""

    mean: np.ndarray
    """float32, (d,): subtracted from the transfer values."""
    scale: np.ndarray
    """float32, (d,): what they are divided by then."""
    kernels: Sequence[np.ndarray]
    """float32, (inputs, outputs) each; the last has one output per class."""
    biases: Sequence[np.ndarray]
    """float32, (outputs,) each."""

    def __repr__(self) -> str:
        return f"<Layers {self.widths_in_words()}>"

    def widths_in_words(self) -> str:
        """``1280 → 256 → 10``: how many numbers go in, and come out of each layer."""
        return " → ".join(str(width) for width in (self.n_features, *map(len, self.biases)))

    @property
    def n_features(self) -> int:
        """Numbers that a row of transfer values has."""
        return len(self.mean)

    @property
    def n_classes(self) -> int:
        """Outputs of the last layer."""
        return len(self.biases[-1])

    def logits(self, features: Rows) -> np.ndarray:
        """float64 (n, n_classes) of features (n, n_features)."""
        logits = np.empty((len(features), self.n_classes))
        for start in range(0, len(features), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            values = np.array(features[part], np.float64)  # (block, d)
            values -= self.mean  # in place, as what follows: the block is large
            values /= self.scale
            for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
                values = np.maximum(values @ kernel + bias, 0)  # (block, hidden)
            logits[part] = values @ self.kernels[-1] + self.biases[-1]  # (block, classes)
        return logits

    def probabilities(self, features: Rows) -> np.ndarray:
        """float64 (n, n_classes), each row adding up to 1: the softmax of the logits."""
        return softmax(self.logits(features))

    def divided_by(self, temperature: float) -> Layers:
        """Layers whose logits are these, divided: their softmax is calibrated."""
        *kernels, kernel = self.kernels
        *biases, bias = self.biases
        by = np.float64(temperature)
        return self._replace(
            kernels=[*kernels, (kernel / by).astype(np.float32)],
            biases=[*biases, (bias / by).astype(np.float32)],
        )


class Fitted(NamedTuple):
    """What training a head gives."""

    layers: Layers
    facts: dict[str, Any]
    """What was found on the way, such as the strength of a penalty: JSON values for people."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax of each row, shifted by its maximum so that no exponential overflows."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def standardisation(
    features: Rows, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (d,) mean and scale of the columns of float32 (n, d); a constant column has scale 1.

    Rows count by their `weights`, float64 (n,); each counts once where there are none.

    Blocks are added up in float64: a float32 sum over many rows loses digits, and so do squares
    that are not taken around something near the mean.
    """
    near = features[:_ROWS_AT_ONCE].mean(axis=0)
    total, total_square = np.zeros((2, features.shape[1]))  # float64, (d,) each
    if weights is not None and (weights == 1).all():
        weights = None
    for start in range(0, len(features), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        off = features[part] - near  # (block, d)
        if weights is None:
            total += off.sum(axis=0)
            total_square += np.einsum("nd,nd->d", off, off)
        else:
            total += weights[part] @ off
            total_square += weights[part] @ np.square(off)
    n = len(features) if weights is None else weights.sum()
    mean_off = total / n
    mean = near + mean_off
    scale = np.sqrt(np.maximum(total_square / n - mean_off**2, 0))
    # A column that is constant but for rounding carries nothing and must not be blown up.
    negligible = scale <= 1e-6 * np.maximum(np.abs(mean), 1e-12)
    scale[negligible] = 1.0
    return mean.astype(np.float32), scale.astype(np.float32)
