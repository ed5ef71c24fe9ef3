"""Looking at transfer values: maps of all images, the values of one, and what a head confuses.

May import: ``errors`` and ``atomic``; NumPy, scikit-learn and umap for the reductions; matplotlib,
which is imported only here. Everything arrives as NumPy arrays, never as files of the cache.
"""

from .confusion import draw_confusion_matrix
from .maps import draw_map
from .picture import require_picture_path
from .reduce import METHODS, Embedding, reduce
from .values import draw_transfer_values

__all__ = [
    "METHODS",
    "Embedding",
    "draw_confusion_matrix",
    "draw_map",
    "draw_transfer_values",
    "reduce",
    "require_picture_path",
]
