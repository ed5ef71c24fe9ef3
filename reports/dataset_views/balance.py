"""Images of each class and split."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...datasets.split_names import SPLITS
from ...viz.dataset_views.balance import draw_balance

if TYPE_CHECKING:
    from pathlib import Path

    from ...datasets import Dataset
    from ...extraction import FeatureTable
    from ...viz.theme import Theme


def balance(data: Dataset | FeatureTable, output: Path, title: str, theme: Theme) -> str:
    """Draw how many images each class has in each declared split; return the caption."""
    labels = [str(label) for label in data.labels]
    classes = sorted(set(labels))
    found = Counter(zip(labels, (split or "" for split in data.splits), strict=True))
    counts = {split: [found[name, split] for name in classes] for split in (*SPLITS, "")}
    return draw_balance(classes, counts, output, title, theme)
