"""Options of pictures: what colours say, light or dark; and tables whose extractor a head names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...viz.colourings import COLOURINGS, JUDGED
from ...viz.theme import THEMES
from ..command import option
from . import options
from .types import Choice

if TYPE_CHECKING:
    from ...classifier.head import Head
    from ...datasets import Dataset
    from ...extraction import FeatureTable
    from .options import Decorator

_OF_EXTRACT_FOR_HEAD = frozenset(
    ("extractor", "weights", "max_pixels", "workers", "memory", "engine", "precision", "cache")
)
_HEADS_OWN = ("fit", "grey16", "size", "layer", "scaling", "pooling")


def color() -> Decorator:
    """--color."""
    meanings = "; ".join(f"{name}, {words}" for name, words in COLOURINGS.items())
    return option(
        "--color",
        type=Choice(tuple(COLOURINGS)),
        default=next(iter(COLOURINGS)),
        help=f"in a picture, what the colours say: {meanings}",
    )


def head() -> Decorator:
    """--head, for predictions."""
    return options.head(
        default_in_words="each image is predicted by a head that has not seen it",
        help=f"a head file, which predicts for the explorer and for --color {', '.join(JUDGED)}",
    )


def theme() -> Decorator:
    """--theme."""
    return option(
        "--theme",
        type=Choice(tuple(THEMES)),
        default=next(iter(THEMES)),
        help="the ground of a picture",
    )


def extract_seen_by(
    head: str | None, dataset: Dataset, extraction: dict[str, Any]
) -> tuple[FeatureTable, Head | None]:
    """The table of a dataset, by the extractor of a head where there is one; and that head."""
    if head is None:
        from ...extraction import extract

        return extract(dataset, **extraction), None
    from ...training import extract_for_head

    for name in _HEADS_OWN:
        if extraction.get(name) is not None:
            raise UsageError(f"--{name} comes from the head: leave it out beside --head")
    given = {name: value for name, value in extraction.items() if name in _OF_EXTRACT_FOR_HEAD}
    if given.get("weights") == "imagenet":  # by default: the head knows its own
        del given["weights"]
    return extract_for_head(dataset, head, **given)
