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

_MAX_WIDTH = 1 << 16


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
    return CLS if n_tokens > 1 and _n_more_than_patches(n_tokens, size_px) else MEAN_OVER_TOKENS


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


def _axis_of_features(shape: Sequence[int], size_px: int, is_last: bool | None) -> int:
    if is_last is not None:
        return len(shape) - 1 if is_last else 0
    if len(shape) == 3:  # the places are a square, as the picture is
        return 2 if shape[0] == shape[1] and shape[1] != shape[2] else 0
    if len(shape) == 2:
        first, second = (_n_more_than_patches(n, size_px) is not None for n in shape)
        return 0 if second and not first else 1
    return 0


def _n_more_than_patches(n_tokens: int, size_px: int) -> int | None:
    """How many tokens are no patch of a square picture: a class token, and maybe registers."""
    for n_more in (0, 1, 2, 5):
        side = math.isqrt(max(0, n_tokens - n_more))
        if side > 1 and side * side == n_tokens - n_more and size_px % side == 0:
            return n_more
    return None
