"""Whether an export gives the probabilities that `predict` gives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..formatting import counted
from .process import ExportError, answers
from .registry import EXPORTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..prediction import Predictor
    from .images import Sized

MOST_DIFFERENT = 1e-3
"""Of a probability in float32, for the same pixels of the network's size."""
MOST_DIFFERENT_SCALED = 0.05
"""The same for a picture that the export has scaled: its pixels may differ by 1 of 255, or by a few
where a rule of Pillow applies. On photographs, EfficientNet-Lite0 and
MobileNetV2 differed by at most 0.007; with another way of interpolating by 0.4."""


class Agreement(NamedTuple):
    """What was compared, and how far it differed."""

    n_images: int
    """Of the network's size."""
    difference: float
    """The greatest of a probability."""
    n_same: int
    """Images whose most probable class is the same."""
    n_other_sizes: int
    """Pictures that the export itself has scaled."""
    difference_other_sizes: float
    """From `predict` on their files."""
    n_same_other_sizes: int
    difference_scaled: float
    """From what bottlebank makes of the same decoded pixels."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "images": self.n_images,
            "same_class": self.n_same,
            "greatest_difference": self.difference,
            "other_sizes": None
            if not self.n_other_sizes
            else {
                "images": self.n_other_sizes,
                "same_class": self.n_same_other_sizes,
                "greatest_difference": self.difference_other_sizes,
                "greatest_difference_same_pixels": self.difference_scaled,
            },
        }

    def in_words(self) -> str:
        """One or two sentences."""
        words = (
            f"{counted(self.n_images, 'image')} of the network's size: same class as `bottlebank "
            f"predict` for {self.n_same:,}, greatest difference of a probability "
            f"{self.difference:.1e}."
        )
        if self.n_other_sizes:
            words += (
                f" {counted(self.n_other_sizes, 'picture')} of other sizes, scaled by the export: "
                f"same class for {self.n_same_other_sizes:,}, greatest difference "
                f"{self.difference_other_sizes:.1e}, or {self.difference_scaled:.1e} from what "
                f"bottlebank makes of the same decoded pixels."
            )
        return words


def compare(
    format: str,
    folder: Path,
    predictor: Predictor,
    pixels: Sequence[np.ndarray],
    pictures: Sequence[Sized],
    *,
    takes_many: bool,
    exactly: bool,
) -> Agreement:
    """Open an export in a fresh process, and compare its probabilities with a predictor's.

    Parameters
    ----------
    format, folder
        What was written, and where.
    predictor
        Of the head, in float32.
    pixels
        Images of the network's size: uint8, (height, width, 3) each.
    pictures
        Pictures of any size, each with what bottlebank makes of it.
    takes_many
        Whether several images go into a call.
    exactly
        Whether it is in float32; then probabilities may differ by `MOST_DIFFERENT`, and
        by `MOST_DIFFERENT_SCALED` where the export scales.

    Raises
    ------
    ExportError
        When it does not run, or they differ.
    """
    every = np.stack([*pixels, *(each.predicted for each in pictures)])
    expected, scaled = (
        np.concatenate([predictor.probabilities(each[np.newaxis]) for each in some])
        for some in (every, [pixels[0], *(each.scaled for each in pictures)])
    )
    step = len(pixels) if takes_many else 1
    batches = [every[first : first + step] for first in range(0, len(pixels), step)]
    batches += [each.picture[np.newaxis] for each in pictures]
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as scratch:
        found = answers(format, folder, batches, Path(scratch))
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise ExportError(
            f"the export gives probabilities of shape {found.shape}, or not finite; expected "
            f"{expected.shape}"
        )
    n = len(pixels)
    differences = np.abs(found - expected).max(axis=1)
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    agreement = Agreement(
        n,
        float(differences[:n].max()),
        int(same[:n].sum()),
        len(pictures),
        float(differences[n:].max(initial=0)),
        int(same[n:].sum()),
        float(np.abs(found[n:] - scaled[1:]).max(initial=0)),
    )
    if exactly:
        title = EXPORTERS[format].title
        _require(title, "", agreement.difference, MOST_DIFFERENT)
        _require(
            title, " of pictures that it scales", agreement.difference_scaled, MOST_DIFFERENT_SCALED
        )
    return agreement


def _require(title: str, which: str, difference: float, most: float) -> None:
    if difference > most:
        raise ExportError(
            f"the export as {title} gives other probabilities{which} than predict: they differ by "
            f"{difference:.2g}, at most {most:g} is allowed; nothing was written"
        )
