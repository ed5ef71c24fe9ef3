"""A few synthetic pictures by which two computations of the same network are compared."""

from __future__ import annotations

import numpy as np
from PIL import Image

N_IMAGES = 4
COSINE_LIMITS = {"float32": 0.9999, "float16": 0.999, "bfloat16": 0.99}
"""The least cosine between an engine's transfer values of these images and the reference's."""

_ROUNDING = 1e-6
"""By how much a value may differ, in parts of the largest, or of 1 where all are smaller: features
are sums of such values, which engines add up in different orders in float32."""


def golden_pixels(size_px: int) -> np.ndarray:
    """Coloured noise in several octaves, like nothing and a little like photographs.

    Parameters
    ----------
    size_px
        Height and width.

    Returns
    -------
    ndarray
        uint8, (4, size_px, size_px, 3), RGB, 0 to 255; always the same.
    """
    generator = np.random.default_rng(20_480)
    pictures = np.zeros((N_IMAGES, size_px, size_px, 3), np.float32)
    for picture in pictures:
        for cells in (2, 5, 13, 34):
            coarse = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            scaled = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
            picture += np.asarray(scaled, np.float32) / 4
    return pictures.astype(np.uint8)


def least_cosine(features: np.ndarray, reference: np.ndarray) -> float:
    """The smallest cosine between rows of two (n, d) arrays that belong together.

    Rows that differ by the rounding of float32 alone count as 1: where all features are 0 or nearly
    so, as behind a ReLU that is never active, a row has no direction that could be compared.
    """
    features, reference = features.astype(np.float64), reference.astype(np.float64)
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(reference, axis=1)
    products = np.einsum("nd,nd->n", features, reference)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    with np.errstate(invalid="ignore"):  # what is not finite differs
        apart = np.abs(features - reference).max(axis=1, initial=0)
    rounding = _ROUNDING * np.abs(reference).max(initial=1)
    cosines = np.where(apart <= rounding, 1.0, np.nan_to_num(cosines, nan=-1.0))
    return float(cosines.min())
