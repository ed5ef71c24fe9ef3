"""Handwritten digits as a dataset that needs no download, for the demo."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from pathlib import Path

_PICTURE_SIDE_PX = 64


def write_digits(folder: Path) -> int:
    """Write scikit-learn's 1,797 digits as PNG files, a folder per class; return how many are new.

    The 8×8 grey values of 0 to 16 become 64×64 pixels of 0 to 255, each value a square. What is
    there already is compared, not trusted: the files are not synced one by one, which took most
    of the time, so that an interrupted run may leave one of them torn.
    """
    digits: Any = load_digits()
    n_written = 0
    for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        picture = Image.fromarray(np.round(values * (255 / 16)).astype(np.uint8))
        large = picture.resize((_PICTURE_SIDE_PX, _PICTURE_SIDE_PX), Image.Resampling.NEAREST)
        encoded = io.BytesIO()
        large.save(encoded, "PNG")
        if path.is_file() and path.read_bytes() == encoded.getvalue():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.getvalue())
        n_written += 1
    return n_written
