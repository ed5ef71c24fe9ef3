"""Views: variations of a picture that show the same thing, each the same on every machine.

A head that is trained on some of them beside the pictures themselves takes them for equal. View 0
is the picture itself. What any other shows follows from its number and the content of the file
alone: nothing is drawn from a generator whose numbers differ between versions, and pixels are
computed in integers, after coefficients that IEEE 754 defines to the last bit.

**The rule is in the number of a view**, and so in the key of its row, not in the recipe's
fingerprint: no rule changes view 0, whose rows all of them share, and rows of several rules lie
side by side. A rule that is changed is a new rule, with a `Rule.code` of its own.
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import NamedTuple

from ...arguments import is_one_of, received, require_whole
from ...errors import ParameterError, UsageError

MOST_VIEWS = 99
_ORDINAL_BITS = 16

_MOST_SINE = 0.17
"""Of the angle by which a view is turned: 9.8 degrees."""
_LEAST_AREA = 0.6
"""Share of the picture that a crop keeps."""
_MOST_BRIGHTER = 32
"""Added to or subtracted from values of 0 to 255."""
_MOST_CONTRAST, _MOST_SATURATION = 64, 77
"""By how much contrast and saturation differ from 256, which is as it was."""


class Rule(NamedTuple):
    """How the views of a picture differ from it."""

    code: int
    """In the upper half of the numbers of its views; never used again for anything else."""
    most: int
    """How many views there are."""
    flips: bool
    in_words: str
    """For help texts."""

    def numbers(self, n_views: int) -> tuple[int, ...]:
        """The numbers of the first views; a row's key has one."""
        return tuple(self.code << _ORDINAL_BITS | ordinal for ordinal in range(1, n_views + 1))


RULES = {
    "mixed": Rule(
        0,
        MOST_VIEWS,
        flips=True,
        in_words="first the mirror image, then small rotations, crops and changes of colour, every "
        "other one mirrored",
    ),
    # Its view is the first of `mixed`, whose row it shares.
    "flip": Rule(0, 1, flips=True, in_words="the mirror image alone"),
    "unflipped": Rule(
        1,
        MOST_VIEWS,
        flips=False,
        in_words="rotations, crops and colour, for things that differ from their mirror images, "
        "such as text",
    ),
}


DEFAULT_RULE = "mixed"


class Views(NamedTuple):
    """Some views of each image beside the image itself."""

    rule: str = DEFAULT_RULE
    """One of `RULES`."""
    numbers: tuple[int, ...] = ()
    """Of `Rule.numbers`, without 0, which is the image itself."""


NO_VIEWS = Views()


def require_views(views: object, rule: object) -> Views:
    """The first `views` of a rule.

    Raises
    ------
    UsageError
        When there is no such rule, or it has fewer views.
    """
    if not is_one_of(rule, RULES):
        raise UsageError(f"unknown view rule {received(rule)}: expected {', '.join(RULES)}")
    found = RULES[str(rule)]
    n_views = require_whole("views", views, 0)
    if n_views > found.most:
        raise ParameterError(
            "views", f"is {n_views}; expected at most {found.most} of the rule {rule}"
        )
    return Views(str(rule), found.numbers(n_views))


class View(NamedTuple):
    """What is done to a picture."""

    is_flipped: bool
    """Left and right are exchanged."""
    sine: float = 0.0
    """Of the angle by which it is turned."""
    side: float = 1.0
    """What a crop keeps of each side."""
    right: float = 0.0
    """Where it lies, from -1, at the left, to 1."""
    down: float = 0.0
    brighter: int = 0
    contrast: int = 256
    saturation: int = 256

    @property
    def only_flips(self) -> bool:
        """Whether it is the mirror image and nothing else."""
        return self == View(is_flipped=True)


def view_of(number: int, content: bytes) -> View:
    """What the view of a picture shows.

    Parameters
    ----------
    number
        Of `Rule.numbers`.
    content
        SHA-256 of the file.
    """
    code, ordinal = number >> _ORDINAL_BITS, number & (1 << _ORDINAL_BITS) - 1
    rule = next(rule for rule in RULES.values() if rule.code == code)
    if rule.flips and ordinal == 1:
        return View(is_flipped=True)
    digest = hashlib.sha256(b"view %d of " % number + content).digest()
    shares = [each / (1 << 32) for each in struct.unpack("<8I", digest)]
    turned, area, right, down, brighter, contrast, saturation, _ = shares
    return View(
        is_flipped=rule.flips and ordinal % 2 == 1,
        sine=_MOST_SINE * (2 * turned - 1),
        side=math.sqrt(_LEAST_AREA + (1 - _LEAST_AREA) * area),
        right=2 * right - 1,
        down=2 * down - 1,
        brighter=round(_MOST_BRIGHTER * (2 * brighter - 1)),
        contrast=256 + round(_MOST_CONTRAST * (2 * contrast - 1)),
        saturation=256 + round(_MOST_SATURATION * (2 * saturation - 1)),
    )
