"""How what a layer makes of one image becomes one vector, by its shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CLS = "CLS token"
MEAN_OVER_TOKENS = "mean over tokens"
MEAN_OVER_PIXELS = "mean over height and width"
AS_IT_IS = "none"
FLATTENED = "none, its input flattened"
"""The map that a layer is given, with all its places, in the order height, width, channels: what
fine-tuning goes on with. No head takes it for features."""
IN_DOUBT = "cls or mean, by --pooling"
"""Of tokens that may begin with a class token, or not."""

_MAX_WIDTH = 1 << 16
_N_MORE = (0, 1, 2, 5)
"""Tokens that are not patches: with a class token, a distillation token, four registers."""
_PATCHES_PX = (4, 7, 8, 10, 12, 14, 16, 28, 32)
"""Of published transformers. Pixels that fill no patch are left out."""


def usual_pooling(shape: Sequence[int], size_px: int, is_last: bool | None = None) -> str:
    """How a layer becomes one vector where nothing else is chosen.

    Parameters
    ----------
    shape
        Of its output for one image: (width,), tokens and width, or a map in either order of axes.
    size_px
        Height and width of the picture.
    is_last
        Whether the last axis is that of features, else the first; None: as the shape says.

    Returns
    -------
    str
        One of the constants of this module; empty where it cannot.
    """
    if not 1 <= len(shape) <= 3 or 0 in shape or width_of(shape, size_px, is_last) > _MAX_WIDTH:
        return ""
    if len(shape) == 1:
        return AS_IT_IS
    if len(shape) == 3:
        return MEAN_OVER_PIXELS
    n_tokens = shape[1 - _axis_of_features(shape, size_px, is_last)]
    n_more = _n_more_than_patches(n_tokens, size_px)
    if n_more is None:
        n_more = _n_more_than_whole_patches(n_tokens, size_px, _N_MORE)
    if n_tokens == 1 or n_more == 0:
        return MEAN_OVER_TOKENS
    return IN_DOUBT if n_more is None else CLS


def joined(poolings: Sequence[str]) -> str:
    """How several layers become one vector each, as recipes have it."""
    return poolings[0] if len({*poolings}) == 1 else ", ".join(poolings)


def chosen_pooling(pooling: str) -> str | None:
    """Which of `spec.POOLINGS` gives what a recipe records; None where there is no choice."""
    poolings = pooling.split(", ")
    return "cls" if CLS in poolings else "mean" if MEAN_OVER_TOKENS in poolings else None


def pooled_axes(shape: Sequence[int], size_px: int, is_last: bool | None = None) -> list[int]:
    """The axes of places in the picture, where axis 0 is that of images."""
    features = _axis_of_features(shape, size_px, is_last)
    return [axis + 1 for axis in range(len(shape)) if axis != features]


def width_of(shape: Sequence[int], size_px: int, is_last: bool | None = None) -> int:
    """Features of one image."""
    return shape[_axis_of_features(shape, size_px, is_last)]


def is_last_of(one: Sequence[int], other: Sequence[int] | None) -> bool | None:
    """Which axis is that of features, by the shapes for pictures of two sizes: see `Value`.

    Places in the picture become more with its size, features do not.
    """
    if other is None or len(one) != len(other):
        return None
    same = [a == b for a, b in zip(one, other, strict=True)]
    if len(one) < 2 or sum(same) != 1:
        return None
    return True if same[-1] else False if same[0] else None


def _axis_of_features(shape: Sequence[int], size_px: int, is_last: bool | None) -> int:
    if is_last is not None:
        return len(shape) - 1 if is_last else 0
    if len(shape) == 3:  # the places are a square, as the picture is
        return 2 if shape[0] == shape[1] and shape[1] != shape[2] else 0
    if len(shape) == 2:
        return 0 if _are_features_first(shape[0], shape[1], size_px) else 1
    return 0


def _are_features_first(first: int, second: int, size_px: int) -> bool:
    """Whether of two axes the first is that of features: where only the second can be tokens."""
    can_be_tokens = _n_more_than_patches(second, size_px) is not None
    if not can_be_tokens or _n_more_than_patches(first, size_px) is not None:
        return False
    # Widths such as 1024 are squares, too. Then other tokens beside patches count, and patches that
    # do not fill the picture.
    may_be_tokens = _n_more_than_whole_patches(first, size_px, range(6), (14, 16)) is not None
    return not (may_be_tokens and second % 64 == 0)


def _n_more_than_patches(n_tokens: int, size_px: int) -> int | None:
    """How many tokens are not patches, where patches fill a square picture; None where none fit."""
    for n_more in _N_MORE:
        side = math.isqrt(max(0, n_tokens - n_more))
        if side > 1 and side * side == n_tokens - n_more and size_px % side == 0:
            return n_more
    return None


def _n_more_than_whole_patches(
    n_tokens: int, size_px: int, allowed: Sequence[int], patches_px: Sequence[int] = _PATCHES_PX
) -> int | None:
    """The same where patches of a usual size need not fill it."""
    sides = {size_px // patch_px for patch_px in patches_px} - {0, 1}
    return next((n for n in allowed if any(n_tokens - n == side**2 for side in sides)), None)
