"""The case of a picture of a dataset that is no map: samples, balance, sizes or units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...reports.output_paths import require_no_image_of
from ..parameters.labels import lay_over
from .drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...datasets import Dataset
    from ...datasets.labels_file import LabelsFile
    from ...extraction import FeatureTable


def draw_view(
    dataset: Dataset,
    extraction: dict[str, Any],
    labels: LabelsFile | None,
    kind: str,
    output: Path,
    *,
    theme: str,
    seed: int,
) -> Drawn:
    """Draw it; only units, and labels of a file, extract anything."""
    from ...reports.dataset_views.view import plot_view

    require_no_image_of(output, dataset)
    drawn: Dataset | FeatureTable = dataset
    rejected: Sequence[tuple[str, str]] = []
    changes = None
    if kind == "units" or labels is not None:  # labels belong to contents, which a table knows
        from ...extraction import extract

        table = extract(dataset, **extraction)
        table.require_rows()
        changes = lay_over(table, labels)
        drawn, rejected = table if changes is None else changes.table, table.rejected
    title = Path(dataset.source).name or dataset.source
    view = plot_view(drawn, output, kind, title=title, theme=theme, random_state=seed)
    return Drawn(view.n_images, view.caption, rejected, changes=changes)
