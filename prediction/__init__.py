"""A head and its extractor together: images in, probabilities out, with evidence.

May import ``extraction`` and below. A module is imported when one of its names is first used:
predicting needs no training library.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .loading import load_predictor
    from .neighbours import NoTrainingImagesError, TrainingImages, open_training_images
    from .prediction import Prediction
    from .predictor import Predictor
    from .similar_images import SimilarImage, SimilarImages
    from .similar_search import SimilarSearch, similar
    from .transfer_values import TransferValues

__all__ = [
    "NoTrainingImagesError",
    "Prediction",
    "Predictor",
    "SimilarImage",
    "SimilarImages",
    "SimilarSearch",
    "TrainingImages",
    "TransferValues",
    "load_predictor",
    "open_training_images",
    "similar",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "loading": ("load_predictor",),
        "neighbours": ("NoTrainingImagesError", "TrainingImages", "open_training_images"),
        "prediction": ("Prediction",),
        "predictor": ("Predictor",),
        "similar_images": ("SimilarImage", "SimilarImages"),
        "similar_search": ("SimilarSearch", "similar"),
        "transfer_values": ("TransferValues",),
    },
)
