"""Options of pictures: what is drawn, what colours say, light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...interpret.attribution.methods import METHODS
from ...reports.dataset_views.kinds import KINDS, MAP
from ...viz.colourings import COLOURINGS, JUDGED
from ...viz.theme import THEMES
from ..command import option
from . import options
from .types import FILE, Choice

if TYPE_CHECKING:
    from .options import Decorator


def kind() -> Decorator:
    """--kind."""
    meanings = "; ".join(f"{name}, {words}" for name, words in KINDS.items())
    return option(
        "--kind",
        type=Choice(tuple(KINDS)),
        default=MAP,
        help=f"what is drawn: {meanings}. Samples, balance and sizes extract nothing",
    )


def beside() -> Decorator:
    """--beside."""
    return option(
        "--beside",
        type=FILE,
        metavar="IMAGE",
        help="where DATA is an image: another one, whose transfer values are drawn on the same "
        "scale",
    )


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
        help=f"a head file, which predicts for the explorer and for --color {', '.join(JUDGED)}; "
        "it decides the extractor and how images are fitted",
    )


def saliency() -> Decorator:
    """--saliency."""
    return option(
        "--saliency",
        type=Choice(METHODS),
        help="in the explorer, over the 50 mistakes of which --head is most confident: what speaks "
        "for the class that they were taken for, as `bottlebank look saliency --method` shows it, "
        "and by gradcam for that of their label; occlusion works with every engine, the others "
        "with TensorFlow",
    )


def theme() -> Decorator:
    """--theme."""
    return option(
        "--theme",
        type=Choice(tuple(THEMES)),
        default=next(iter(THEMES)),
        help="the ground of a picture",
    )
