"""Small heads on transfer values: their training, calibration, figures, and the head file.

May import the root files and ``untrusted``. It sees NumPy arrays, never files of the cache.
Predicting needs NumPy only: scikit-learn and TensorFlow are loaded with the heads that train. A
module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .dense import DenseHead
    from .head import GoldenImages, Head
    from .head_file import load_head, write_head_file
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
    "write_head_file",
]


__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "dense": ("DenseHead",),
        "head": ("GoldenImages", "Head"),
        "head_file": ("load_head", "write_head_file"),
        "layers": ("Layers",),
        "logistic": ("LogisticHead",),
        "nearest": ("NearestHead",),
    },
)
