"""Small heads on transfer values: splits, training, evaluation, and the head file.

May import: ``errors`` and ``atomic`` alone. It sees NumPy arrays, never files of the cache.
Predicting needs NumPy only: scikit-learn and TensorFlow are loaded with the heads that train.
"""

from typing import TYPE_CHECKING, Any

from .head_file import (
    Head,
    Probe,
    load_head,
    save_head,
)
from .layers import Layers

if TYPE_CHECKING:
    from .dense import DenseHead
    from .logistic import LogisticHead
    from .nearest import NearestHead

__all__ = [
    "DenseHead",
    "Head",
    "Layers",
    "LogisticHead",
    "NearestHead",
    "Probe",
    "load_head",
    "save_head",
]


def __getattr__(name: str) -> Any:
    if name == "LogisticHead":
        from .logistic import LogisticHead

        return LogisticHead
    if name == "DenseHead":
        from .dense import DenseHead

        return DenseHead
    if name == "NearestHead":
        from .nearest import NearestHead

        return NearestHead
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
