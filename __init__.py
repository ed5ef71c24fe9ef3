"""bottlebank: bank the bottleneck features of your images once; train, look and serve in seconds.

The public names are imported when they are first used: ``import bottlebank`` loads no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import load_head
    from .classifier.dense import DenseHead
    from .classifier.logistic import LogisticHead
    from .classifier.nearest import NearestHead
    from .datasets import Dataset, load_dataset
    from .errors import BottlebankError
    from .extraction import FeatureTable, extract
    from .prediction import Prediction, Predictor, load_predictor
    from .reports.plot import plot
    from .service import create_app
    from .training import evaluate_head, save_head, train_head

__version__ = "0.1.0"

__all__ = [
    "BottlebankError",
    "Dataset",
    "DenseHead",
    "FeatureTable",
    "LogisticHead",
    "NearestHead",
    "Prediction",
    "Predictor",
    "create_app",
    "evaluate_head",
    "extract",
    "load_dataset",
    "load_head",
    "load_predictor",
    "plot",
    "save_head",
    "train_head",
]

_ROOMS = {
    "errors": ("BottlebankError",),
    "features": ("Dataset", "load_dataset"),
    "classifier": ("DenseHead", "LogisticHead", "NearestHead", "load_head"),
    "pipeline": (
        "FeatureTable",
        "Prediction",
        "Predictor",
        "evaluate_head",
        "extract",
        "load_predictor",
        "save_head",
        "train_head",
    ),
    "plots": ("plot",),
    "service": ("create_app",),
}


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f".{room}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
