"""The case of a map: a picture, the explorer, or the file of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...reports.output_paths import require_no_image_of
from ..parameters.labels import lay_over
from ..parameters.seen_by_head import extract_seen_by, loading_beside_head
from .drawn import Drawn

if TYPE_CHECKING:
    from ...datasets import Dataset
    from ...datasets.labels_file import LabelsFile


def draw_map(
    dataset: Dataset,
    extraction: dict[str, Any],
    labels: LabelsFile | None,
    head: str | None,
    output: Path,
    *,
    format: str | None,
    saliency: str | None,
    **settings: Any,
) -> Drawn:
    """Draw it; `settings` are those of `plot`."""
    from ...reports.dataset_map import plot

    if format is None:
        require_no_image_of(output, dataset)
    explainer = None
    if saliency is not None and head is not None:
        from ...reports.mistake_maps import open_for_mistakes

        # Before anything is extracted: a network without gradients would be seen too late.
        explainer = open_for_mistakes(head, saliency, **loading_beside_head(extraction))
    table, loaded = extract_seen_by(head, dataset, extraction)
    table.require_rows()
    # Who labels images without classes goes on with those that have no label yet.
    changes = lay_over(table, labels, keeps_unlabelled=True)
    table = table if changes is None else changes.table
    title = f"{Path(dataset.source).name or dataset.source} ({table.report.extractor})"
    scores = None if labels is None else labels.scores
    given = {"title": title, "head": loaded, "scores": scores, "format": format}
    given["saliency"] = explainer
    given["earlier"] = [] if changes is None else changes.earlier
    embedding = plot(table, output, **given, **settings).embedding  # pyright: ignore (a map is a Plot)
    measured = embedding.trust_as_json()
    return Drawn(len(table), embedding.caption, table.rejected, measured, changes)
