"""Splitting, training, evaluating and comparing heads on tables of transfer values.

May import ``prediction`` and below. A module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .evaluate import evaluate_head, evaluate_split, extract_for_head
    from .finetuning import Finetuned, finetune
    from .saving import save_head
    from .train import train_head
    from .trained import Trained

__all__ = [
    "Finetuned",
    "Trained",
    "evaluate_head",
    "evaluate_split",
    "extract_for_head",
    "finetune",
    "save_head",
    "train_head",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "evaluate": ("evaluate_head", "evaluate_split", "extract_for_head"),
        "finetuning": ("Finetuned", "finetune"),
        "saving": ("save_head",),
        "train": ("train_head",),
        "trained": ("Trained",),
    },
)
