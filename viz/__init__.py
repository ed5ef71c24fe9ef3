"""Looking at transfer values and at heads: maps, curves, mistakes, and the page of a report.

May import the root files; NumPy, scikit-learn and umap for the reductions; matplotlib,
which is imported only here; Jinja2 for the page. Everything arrives as NumPy arrays or plain
values, never as files of the cache.
"""

from .confusion import draw_confusion_matrix
from .curves import Forecast, draw_learning_curve, draw_training_curves
from .feature_heatmap import draw_transfer_values
from .figure_file import require_picture_path
from .maps import draw_map
from .mistakes import draw_mistakes
from .reduce import METHODS, Embedding, reduce
from .reliability import draw_reliability
from .report import Section, Table, write_report

__all__ = [
    "METHODS",
    "Embedding",
    "Forecast",
    "Section",
    "Table",
    "draw_confusion_matrix",
    "draw_learning_curve",
    "draw_map",
    "draw_mistakes",
    "draw_reliability",
    "draw_training_curves",
    "draw_transfer_values",
    "reduce",
    "require_picture_path",
    "write_report",
]
