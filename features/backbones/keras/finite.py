"""Refusing weights that are not numbers: layers such as ReLU6 hide them from the features."""

from __future__ import annotations

from typing import Any

import numpy as np


def require_finite(model: Any) -> None:
    """Raise ValueError where a weight of a model of Keras is infinite or not a number."""
    for variable in model.weights:
        if not np.isfinite(variable.value.numpy()).all():
            raise ValueError(f"{variable.path} has numbers that are not finite")
