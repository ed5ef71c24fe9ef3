"""Occlusion: what an answer loses when a part of the image is hidden.

M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
section 4.2. It asks for answers alone, so that whatever answers can be explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...progress import Progress


def starts(side_px: int, patch_px: int, stride_px: int) -> list[int]:
    """Where patches begin along a side, every `stride_px`, from before its beginning.

    Patches that reach beyond the edges hide what lies there as often as any other part: of fewer,
    one fall would weigh more in the mean.
    """
    return [*range(stride_px - patch_px, side_px, stride_px)]


def patch_and_stride(
    side_px: int, patch_px: int | None = None, stride_px: int | None = None
) -> tuple[int, int]:
    """Sides and distance of the patches; by default a seventh of the image, and half of that.

    Raises
    ------
    ParameterError
        When a patch is larger than the image, or patches would leave gaps.
    """
    patch = max(1, side_px // 7) if patch_px is None else patch_px
    if not 1 <= patch <= side_px:
        raise ParameterError(
            "patch_px", f"is between 1 and {side_px}, the side of the network's input; not {patch}"
        )
    stride = max(1, patch // 2) if stride_px is None else stride_px
    if not 1 <= stride <= patch:
        raise ParameterError(
            "stride_px",
            f"is between 1 and {patch}, the side of a patch, or gaps are left; not {stride}",
        )
    return patch, stride


def occlusion(
    score: Callable[[np.ndarray], np.ndarray],
    pixels: np.ndarray,
    baseline: np.ndarray,
    patch_px: int,
    stride_px: int,
    *,
    batch_size: int,
    bar: Progress | None = None,
) -> np.ndarray:
    """How much the score falls where the image is hidden.

    Parameters
    ----------
    score
        From images uint8 (n, height, width, 3) to numbers (n,).
    pixels
        uint8, (height, width, 3).
    baseline
        uint8, as `pixels`: what a hidden part shows.
    patch_px, stride_px
        From `patch_and_stride`.
    batch_size
        How many images are scored at once.

    Returns
    -------
    ndarray
        float32, (height, width), signed: the mean fall over all patches that hide a pixel.
    """
    height, width = pixels.shape[:2]
    places = [
        (slice(max(0, top), top + patch_px), slice(max(0, left), left + patch_px))
        for top in starts(height, patch_px, stride_px)
        for left in starts(width, patch_px, stride_px)
    ]
    usual = float(score(pixels[np.newaxis])[0])
    falls, covered = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(places), batch_size):
        some = places[start : start + batch_size]
        hidden = np.repeat(pixels[np.newaxis], len(some), axis=0)
        for each, place in zip(hidden, some, strict=True):
            each[place] = baseline[place]
        for place, its_score in zip(some, score(hidden), strict=True):
            falls[place] += usual - its_score
            covered[place] += 1
        if bar is not None:
            bar.update(len(some))
    return (falls / covered).astype(np.float32)
