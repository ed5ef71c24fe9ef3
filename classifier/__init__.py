"""Small heads on transfer values: their training, calibration, figures, and the head file.

May import the root files and ``untrusted``. It sees NumPy arrays, never files of the cache.
Predicting needs NumPy only: scikit-learn and TensorFlow are loaded with the heads that train. A
module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .dense import DenseHead
    from .head_file import GoldenImages, Head, load_head, save_head
    from .layers import Layers
    from .logistic import LogisticHead
    from .nearest import NearestHead

__all__ = [
    "DenseHead",
    "GoldenImages",
    "Head",
    "Layers",
    "LogisticHead",
    "NearestHead",
    "load_head",
    "save_head",
]


__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "dense": ("DenseHead",),
        "head_file": ("GoldenImages", "Head", "load_head", "save_head"),
        "layers": ("Layers",),
        "logistic": ("LogisticHead",),
        "nearest": ("NearestHead",),
    },
)
