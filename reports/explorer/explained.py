"""The worst mistakes of a head, with maps of what speaks for its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...datasets.labels_file import escaped
from ...progress import Progress
from ..mistake_maps import maps_in_words, maps_of_mistake
from ..thumbnails import as_webp
from .points import Explained, RowMap, RowMaps

if TYPE_CHECKING:
    from ...extraction import FeatureTable
    from ...interpret.attribution import Explainer
    from .points import Points

MOST_EXPLAINED = 50
_SIDE_PX = 320


def explained_of(
    table: FeatureTable, points: Points, explainer: Explainer, *, progress: bool | None = None
) -> Explained:
    """Maps of the mistakes of whom the head was most confident; of `MOST_EXPLAINED` at most.

    Parameters
    ----------
    table
        What `points` are of.
    points
        Predicted by the head of the explainer.
    explainer
        From `mistake_maps.open_for_mistakes`.
    progress
        As in `extract`.
    """
    predicted = points.predicted
    assert predicted is not None, "with a head, every image is predicted"
    wrong = np.flatnonzero((points.labels >= 0) & (points.labels != predicted.codes))
    surest = wrong[np.argsort(-predicted.confidence[wrong], kind="stable")][:MOST_EXPLAINED]
    theirs = {escaped(name): name for name in explainer.classes}
    rows = []
    with Progress("Explaining mistakes", len(surest), show=progress) as bar:
        for row in surest.tolist():
            taken_for = theirs[points.classes[int(predicted.codes[row])]]
            found = maps_of_mistake(explainer, table, row, taken_for, _SIDE_PX)
            maps = tuple(
                RowMap(escaped(each.label), as_webp(each.pixels), escaped(each.in_words))
                for each in found.of_classes
            )
            rows.append(RowMaps(row, maps, escaped(found.note)))
            bar.update()
    return Explained(rows, len(wrong), maps_in_words(explainer))
