"""Where the other rooms meet: extract into the cache, train on it, predict.

May import: ``features``, ``cache`` and ``classifier``. No framework is imported here, and each
module only when one of its names is first used: a prediction needs no extraction.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..extraction.extract import extract
    from ..extraction.feature_table import FeatureTable
    from ..prediction.loading import load_predictor
    from ..prediction.neighbours import NoTrainingImagesError, TrainingImages, open_training_images
    from ..prediction.prediction import Prediction
    from ..prediction.predictor import Predictor
    from ..training.evaluate import evaluate_head, extract_for_head, judge
    from ..training.saving import save_head
    from ..training.train import Trained, train_head

__all__ = [
    "FeatureTable",
    "NoTrainingImagesError",
    "Prediction",
    "Predictor",
    "Trained",
    "TrainingImages",
    "evaluate_head",
    "extract",
    "extract_for_head",
    "judge",
    "load_predictor",
    "open_training_images",
    "save_head",
    "train_head",
]

_MODULES = {
    "evaluate": ("evaluate_head", "extract_for_head", "judge"),
    "extraction": ("extract",),
    "prediction": ("Prediction",),
    "loading": ("load_predictor",),
    "predictor": ("Predictor",),
    "table": ("FeatureTable",),
    "saving": ("save_head",),
    "train": ("Trained", "train_head"),
    "training_images": ("NoTrainingImagesError", "TrainingImages", "open_training_images"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
