"""Occlusion: what an answer loses when a part of the image is hidden.

M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
section 4.2. It asks for answers alone, so that whatever answers can be explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...progress import Progress
    from .parts import Part


def occlusion(
    score: Callable[[np.ndarray], np.ndarray],
    pixels: np.ndarray,
    baseline: np.ndarray,
    parts: Sequence[Part],
    *,
    batch_size: int,
    bar: Progress | None = None,
) -> np.ndarray:
    """How much the score falls where the image is hidden.

    Parameters
    ----------
    score
        From images uint8 (n, side, side, 3) to numbers (n,).
    pixels
        uint8, (side, side, 3).
    baseline
        uint8, as `pixels`: what a hidden part shows.
    parts
        From `parts.Patches` or `parts.Segments`: together, they hide every pixel.
    batch_size
        How many images are scored at once.

    Returns
    -------
    ndarray
        float32, (side, side), signed: the mean fall over all parts that hide a pixel.
    """
    usual = float(score(pixels[np.newaxis])[0])
    falls, covered = np.zeros(pixels.shape[:2]), np.zeros(pixels.shape[:2])
    for start in range(0, len(parts), batch_size):
        some = parts[start : start + batch_size]
        hidden = np.repeat(pixels[np.newaxis], len(some), axis=0)
        for each, part in zip(hidden, some, strict=True):
            each[part] = baseline[part]
        for part, its_score in zip(some, score(hidden), strict=True):
            falls[part] += usual - its_score
            covered[part] += 1
        if bar is not None:
            bar.update(len(some))
    return (falls / covered).astype(np.float32)
