"""What the points of a map can be coloured by. Reading it imports no library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

COLOURINGS: Final = {
    "label": "the class of each image",
    "prediction": "the class that is predicted",
    "mistake": "whether the predicted class is the label",
    "confidence": "the probability of the predicted class",
    "split": "the split of each image",
}
"""By name, in words."""
JUDGED: Final = ("prediction", "mistake", "confidence")
"""Those that need predictions."""


class Colouring(NamedTuple):
    """What a map is coloured by; arrays in the order of its points."""

    by: str
    """One of `COLOURINGS`."""
    values: Sequence[str] | NDArray[np.float64] = ()
    """Of each point: the class that is predicted (``""`` where it is unknown), for ``prediction``
    and ``mistake``; its probability, 0-1, for ``confidence``; the name of its split, or ``""``, for
    ``split``. Not used for ``label``."""
    in_words: str = ""
    """Who predicted, or who split, for the caption."""


def require_colouring(name: str) -> str:
    """The name of a colouring.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in COLOURINGS:
        raise UsageError(f"expected a colour by {', '.join(COLOURINGS)}, received {name!r}")
    return name


def require_looks(color: str, theme: str, head: object, *, is_page: bool) -> None:
    """Refuse what would change nothing: colours of a page, where a person chooses them; a head
    that would predict nothing.

    Raises
    ------
    UsageError
        Then, or for an unknown colour.
    """
    require_colouring(color)
    if is_page:
        if (color, theme) != ("label", "light"):
            raise UsageError(
                "colour and theme are chosen in the explorer itself: leave them out, or name a "
                ".png or .svg file"
            )
    elif head is not None and color not in JUDGED:
        raise UsageError(
            f"a head predicts, and the map is coloured by {color}: colour it by "
            f"{', '.join(JUDGED)}, or leave the head out"
        )
