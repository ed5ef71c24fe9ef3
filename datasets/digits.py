"""Handwritten digits as a dataset that needs no download, for the demo."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ..progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

_PICTURE_SIDE_PX = 64


def write_digits(folder: Path, *, progress: bool | None = None) -> int:
    """Write scikit-learn's 1,797 digits as PNG files, a folder per class; return how many are new.

    The 8×8 grey values of 0 to 16 become 64×64 pixels of 0 to 255, scaled smoothly (bicubic). What
    is there already is compared, not trusted: the files are not synced one by one, which took most
    of the time, so that an interrupted run may leave one of them torn.
    """
    digits: Any = load_digits()
    for label in np.unique(digits.target):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
    n_written = 0
    with Progress("Writing the pictures", len(digits.images), show=progress) as bar:
        for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            path = folder / str(label) / f"{number:04d}.png"
            encoded = _encoded(values)
            if not path.is_file() or path.read_bytes() != encoded:
                path.write_bytes(encoded)
                n_written += 1
            bar.update()
    return n_written


def _encoded(values: np.ndarray) -> bytes:
    picture = Image.fromarray(np.round(values * (255 / 16)).astype(np.uint8))
    size_px = (_PICTURE_SIDE_PX, _PICTURE_SIDE_PX)
    encoded = io.BytesIO()
    picture.resize(size_px, Image.Resampling.BICUBIC).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()
