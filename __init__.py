"""bottlebank: bank the bottleneck features of your images once; train, look and serve in seconds.

The public names are imported when they are first used: ``import bottlebank`` loads no library.
"""

from typing import TYPE_CHECKING

# By its full name: pytest imports this file without its package.
from bottlebank.lazy_names import lazy_names  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from .auditing import Audit, audit
    from .classifier import DenseHead, LogisticHead, NearestHead, load_head
    from .datasets import Dataset, load_dataset
    from .errors import BottlebankError
    from .export import export_head
    from .extraction import Cluster, FeatureTable, extract
    from .prediction import (
        Prediction,
        Predictor,
        SimilarSearch,
        TransferValues,
        load_predictor,
        similar,
    )
    from .reports import plot, write_report
    from .service import create_app
    from .training import evaluate_head, finetune, save_head, train_head

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "BottlebankError",
    "Cluster",
    "Dataset",
    "DenseHead",
    "FeatureTable",
    "LogisticHead",
    "NearestHead",
    "Prediction",
    "Predictor",
    "SimilarSearch",
    "TransferValues",
    "audit",
    "create_app",
    "evaluate_head",
    "export_head",
    "extract",
    "finetune",
    "load_dataset",
    "load_head",
    "load_predictor",
    "plot",
    "save_head",
    "similar",
    "train_head",
    "write_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "auditing": ("Audit", "audit"),
        "classifier": ("DenseHead", "LogisticHead", "NearestHead", "load_head"),
        "datasets": ("Dataset", "load_dataset"),
        "errors": ("BottlebankError",),
        "export": ("export_head",),
        "extraction": ("Cluster", "FeatureTable", "extract"),
        "prediction": (
            "Prediction",
            "Predictor",
            "SimilarSearch",
            "TransferValues",
            "load_predictor",
            "similar",
        ),
        "reports": ("plot", "write_report"),
        "service": ("create_app",),
        "training": ("evaluate_head", "finetune", "save_head", "train_head"),
    },
)
