"""Looking at transfer values and at heads: maps, curves, mistakes, and the page of a report.

May import the root files; NumPy, scikit-learn and umap for the reductions; matplotlib,
which is imported only here; Jinja2 for the page. Everything arrives as NumPy arrays or plain
values, never as files of the cache. A module is imported when one of its names is first used:
reading the registry of map methods loads no library.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .confusion import draw_confusion_matrix
    from .curves import Forecast, draw_learning_curve, draw_training_curves
    from .feature_heatmap import draw_transfer_values
    from .map_methods import METHODS
    from .maps import draw_map
    from .mistakes import draw_mistakes
    from .neighbourhoods.trust import Trust
    from .picture_path import require_picture_path
    from .reduction import Embedding, reduce
    from .reliability import ReliabilityBins, draw_reliability
    from .report import Section, Table, write_report

__all__ = [
    "METHODS",
    "Embedding",
    "Forecast",
    "ReliabilityBins",
    "Section",
    "Table",
    "Trust",
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "confusion": ("draw_confusion_matrix",),
        "curves": ("Forecast", "draw_learning_curve", "draw_training_curves"),
        "feature_heatmap": ("draw_transfer_values",),
        "map_methods": ("METHODS",),
        "maps": ("draw_map",),
        "mistakes": ("draw_mistakes",),
        "picture_path": ("require_picture_path",),
        "reduction": ("Embedding", "reduce"),
        "reliability": ("ReliabilityBins", "draw_reliability"),
        "report": ("Section", "Table", "write_report"),
        "neighbourhoods.trust": ("Trust",),
    },
)
