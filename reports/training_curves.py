"""The curves of a head's training as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import require_whole
from ..replaceable import writing
from ..training.cross_validation import FINETUNED
from ..viz.curves import draw_training_curves
from ..viz.theme import LIGHT, Theme
from .output_paths import PICTURE, require_folder_outside, require_output

if TYPE_CHECKING:
    from ..classifier import Head

CURVES = "curves.png"


def require_curves(folder: str | os.PathLike[str], data: str) -> Path:
    """The picture in a folder that is outside of a dataset.

    Raises
    ------
    UsageError
        When it cannot be written there.
    """
    require_folder_outside(Path(folder), data)
    return require_output(Path(folder) / CURVES, PICTURE)


def write_curves(head: Head, picture: Path, title: str, theme: Theme = LIGHT) -> int:
    """Draw the history in a head's training summary; return the epoch that was kept, from 1.

    Raises
    ------
    UsageError
        When it has none, or another than training writes.
    BottlebankError
        When the picture cannot be written.
    """
    best = require_whole("best_epoch", head.training.get("best_epoch"), 1)
    finetuned = head.training.get(FINETUNED)
    start = finetuned.get("start") if isinstance(finetuned, dict) else None
    with writing(picture):
        draw_training_curves(
            head.training.get("history", ()),
            picture,
            title,
            best,
            start=None if start is None else [*dict(start).values()],
            theme=theme,
        )
    return best
