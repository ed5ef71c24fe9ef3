"""What the colours of a map say of the images of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..training.split import split_table
from ..viz.colourings import JUDGED, Colouring, require_colouring

if TYPE_CHECKING:
    from ..classifier.given_head import HeadLike
    from ..extraction import FeatureTable


def colouring_of(
    table: FeatureTable, by: str, head: HeadLike | None = None, *, progress: bool | None = None
) -> Colouring:
    """What each image of a table is coloured by.

    Parameters
    ----------
    table
        From `extract`.
    by
        One of `COLOURINGS`.
    head
        Predicts; None: each image is predicted by a head that has not seen it, see `judge`.
    progress
        As in `extract`.

    Raises
    ------
    UsageError
        For another name.
    DatasetError
        When predictions are needed and no image has a label.
    """
    require_colouring(by)
    if by == "split":
        split = split_table(table)
        words = "as declared" if split.declared else "decided by content"
        return Colouring(by, split.of_row.tolist(), words)
    if by not in JUDGED:
        return Colouring(by)
    from ..training.judged import judge  # half a second, which most colours need not wait

    judged = judge(table, head, progress=progress)
    words = f"predicted {judged.in_words}"
    if by == "confidence":
        return Colouring(by, judged.confidence, words)
    names = [
        "" if is_unknown else str(name)
        for name, is_unknown in zip(judged.predicted, judged.unknown, strict=True)
    ]
    return Colouring(by, names, words)
