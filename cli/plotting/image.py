"""The case of an image: its transfer values, alone or beside those of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...reports.dataset_views.kinds import MAP
from .drawn import Drawn


def is_image(data: str) -> bool:
    """Whether DATA is an image file."""
    from ...datasets.dataset import EXTENSIONS

    return Path(data).suffix.lower() in EXTENSIONS and Path(data).is_file()


def draw_image(
    image: str,
    beside: str | None,
    output: Path,
    *,
    kind: str,
    format: str | None,
    color: str,
    head: str | None,
    **settings: Any,
) -> Drawn:
    """Draw them; what is of a dataset is refused."""
    if format is not None:
        raise UsageError(f"--format {format} is for a dataset, and {image} is an image")
    if kind != MAP:
        raise UsageError(f"--kind {kind} is for a dataset; {image} is an image: leave it out")
    if color != "label" or head is not None:
        raise UsageError(
            f"--color and --head are for a dataset; {image} is an image: leave them out"
        )
    if beside is None:
        from ...reports.image_heatmap import plot_image

        return Drawn(1, plot_image(image, output, **settings))
    from ...reports.dataset_views.pair import plot_pair

    return Drawn(2, plot_pair(image, beside, output, **settings))
