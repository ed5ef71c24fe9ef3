"""Where the images of a table lie on a map, which is kept beside their rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, Variant
from ..cache.layouts import Layout, Layouts
from ..formatting import counted
from ..memory_room import require_room
from ..viz import Embedding
from ..viz.map_methods import METHODS
from ..viz.map_settings import require_layout
from ..viz.neighbourhoods.placement import Projection, place_among, project
from ..viz.reduction import laid_out, reduce, require_features, with_trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..cache import Key
    from ..extraction import FeatureTable

_COPIES = 4
"""Of all rows, that laying them out has in memory at its peak."""
MOST_PLACED = 0.2
"""Share of the images beyond which `lay_out` warns that they were only placed."""

logger = logging.getLogger(__name__)


def lay_out(
    table: FeatureTable,
    method: str = "pca",
    *,
    random_state: int = 0,
    dimensions: int = 2,
    perplexity: float | None = None,
    neighbors: int | None = None,
    fresh: bool = False,
    progress: bool | None = None,
) -> Embedding:
    """Place the images of a table so that similar ones lie close together.

    The map is kept in the cache, and read when the same images are laid out again. A map that at
    least half of the images are on, and that at least half of the images on are in the table, is
    taken too: its images stay where they are, and the others are placed among them, each by itself
    (`viz.neighbourhoods.placement`).

    Parameters
    ----------
    table
        From `extract`. Its labels move no point; they decide `Embedding.trust`.
    method, random_state, dimensions, perplexity, neighbors, progress
        As in `bottlebank.viz.reduce`.
    fresh
        Lay all images out anew, and keep that.

    Returns
    -------
    Embedding
        Its points are in the order of the images; copies of an image share one place.

    Raises
    ------
    UsageError
        As `bottlebank.viz.reduce`; or where there is too little memory for so many images.
    ImageRejectedError
        When every image is rejected.
    """
    settings = require_layout(
        method,
        random_state=random_state,
        dimensions=dimensions,
        perplexity=perplexity,
        neighbors=neighbors,
    )
    table.require_rows()
    require_room(len(table), table.recipe.width, _COPIES, "a map")
    labels = table.labels.tolist()
    features = require_features(table.features)
    row_of: dict[Key, int] = {}
    for row, key in enumerate(table.keys):
        row_of.setdefault(key, row)
    if len(row_of) < 2:
        return reduce(
            features, method, random_state, dimensions=dimensions, labels=labels, progress=progress
        )
    keys, first = list(row_of), np.array(list(row_of.values()))
    report = table.report
    identity = {"method": method, "rule": METHODS[method].rule, **settings._asdict()}
    with CacheFolder(report.cache) as folder:
        variant = Variant(report.precision, report.store).name
        kept = Layouts(folder.root, report.fingerprint, variant, identity)
        layout = None if fresh else kept.best(keys, features.shape[1])
        if layout is None:
            embedding = laid_out(features[first], method, settings, progress)
            if np.ptp(embedding.points, axis=0).any():
                # Else all images are the same, which holds of no others that are added to them.
                kept.keep(_layout(keys, embedding))
        else:
            embedding = _placed(layout, features, row_of, method)
    number = {key: number for number, key in enumerate(keys)}
    points = embedding.points[[number[key] for key in table.keys]]
    return with_trust(embedding._replace(points=points), features, labels, settings.seed)


def _layout(keys: list[Key], embedding: Embedding) -> Layout:
    origin, axes = embedding.projection or (np.empty(0), np.empty((0, 0)))
    return Layout(keys, embedding.points, embedding.caption, embedding.shares, origin, axes)


def _placed(
    layout: Layout, features: NDArray[np.float32], row_of: Mapping[Key, int], method: str
) -> Embedding:
    """A layout that was kept, of these images alone; those that it lacks are placed on it."""
    place_of = {key: place for place, key in enumerate(layout.keys)}
    places = np.array([place_of.get(key, -1) for key in row_of])
    is_new = places < 0
    points = np.empty((len(places), layout.points.shape[1]), np.float32)
    points[~is_new] = layout.points[places[~is_new]]
    projection = Projection(layout.origin, layout.axes) if len(layout.axes) else None
    n_placed = int(is_new.sum())
    caption = layout.caption
    if n_placed:
        rows = np.array(list(row_of.values()))
        new = features[rows[is_new]]
        if projection is not None:
            points[is_new] = project(new, projection)
        else:
            # In the order of the layout, not of the table: of equal neighbours the first counts.
            order = np.flatnonzero(~is_new)[np.argsort(places[~is_new])]
            points[is_new] = place_among(new, features[rows[order]], points[order])
        placed = f"{n_placed:,} of {counted(len(points), 'image')}"
        caption += f"; {placed} placed on it later"
        if n_placed > MOST_PLACED * len(points):
            logger.warning(
                "%s %s only placed on a map that was made without %s; --fresh, or fresh=True, lays "
                "all of them out anew",
                placed,
                "was" if n_placed == 1 else "were",
                "it" if n_placed == 1 else "them",
            )
    return Embedding(
        points, method, caption, shares=layout.shares, projection=projection, n_placed=n_placed
    )
