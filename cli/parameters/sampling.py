"""The option of commands that look at a sample of DATA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..command import option
from .types import COUNT

if TYPE_CHECKING:
    from .options import Decorator


def images_option() -> Decorator:
    """--images, a keyword of `load_dataset`."""
    return option(
        "--images",
        type=COUNT,
        metavar="N",
        default_in_words="all",
        part_of="reading",
        section="Reading DATA, where it is ambiguous",
        help="take N of the images, at random and each time the same: for millions of them",
    )
