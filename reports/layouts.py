"""Where the images of a table lie on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..viz import reduce

if TYPE_CHECKING:
    from ..extraction import FeatureTable
    from ..viz import Embedding


def lay_out(
    table: FeatureTable,
    method: str = "pca",
    *,
    random_state: int = 0,
    dimensions: int = 2,
    perplexity: float | None = None,
    neighbors: int | None = None,
    progress: bool | None = None,
) -> Embedding:
    """Place the images of a table so that similar ones lie close together.

    Parameters
    ----------
    table
        From `extract`. Its labels move no point; they decide `Embedding.trust`.
    method, random_state, dimensions, perplexity, neighbors, progress
        As in `bottlebank.viz.reduce`.

    Returns
    -------
    Embedding
        Its points are in the order of the images.

    Raises
    ------
    UsageError
        As `bottlebank.viz.reduce`.
    ImageRejectedError
        When every image is rejected.
    """
    table.require_rows()
    return reduce(
        table.features,
        method,
        random_state,
        dimensions=dimensions,
        perplexity=perplexity,
        neighbors=neighbors,
        labels=table.labels.tolist() if all(table.labels) else None,
        progress=progress,
    )
