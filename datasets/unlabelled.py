"""Images without a class: what needs classes refuses them, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable


def require_labels(labels: Iterable[str], source: str) -> None:
    """Raise DatasetError where an image of `source`, such as a path, has an empty label."""
    labels = [*labels]
    n_without = sum(not label for label in labels)
    if not n_without:
        return
    images = counted(len(labels), "image")
    which = f"{source} has no classes"
    if n_without < len(labels):
        which = f"{n_without:,} of the {images} of {source} have no class"
    raise DatasetError(
        f"{which}: put the images into one folder per class, list them in a CSV file with "
        f"path,label, or, for train, evaluate and compare, give their labels with --labels FILE.csv"
    )
