"""Where the other rooms meet: extract into the cache, train on it, predict.

May import: ``features``, ``cache`` and ``classifier``. No framework is imported here.
"""

from .evaluate import evaluate_head
from .extraction import extract
from .predictor import Predictor, load_predictor
from .rebuild import extract_for_head
from .table import FeatureTable
from .train import Trained, save_head, train_head

__all__ = [
    "FeatureTable",
    "Predictor",
    "Trained",
    "evaluate_head",
    "extract",
    "extract_for_head",
    "load_predictor",
    "save_head",
    "train_head",
]
