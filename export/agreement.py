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

MOST_DIFFERENT = 1e-3
"""Of a probability in float32."""


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
    n_same_other_sizes: int

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
                f"{self.difference_other_sizes:.1e}."
            )
        return words


def compare(
    format: str,
    folder: Path,
    predictor: Predictor,
    pixels: Sequence[np.ndarray],
    pictures: Sequence[tuple[np.ndarray, np.ndarray]],
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
        Pictures of any size, each with what the project makes of it, of the network's size.
    takes_many
        Whether several images go into a call.
    exactly
        Whether it is in float32; then probabilities may differ by `MOST_DIFFERENT`.

    Raises
    ------
    ExportError
        When it does not run, or they differ.
    """
    every = np.stack([*pixels, *(fitted for _, fitted in pictures)])
    expected = np.concatenate([predictor.probabilities(each[np.newaxis]) for each in every])
    step = len(pixels) if takes_many else 1
    batches = [every[first : first + step] for first in range(0, len(pixels), step)]
    batches += [picture[np.newaxis] for picture, _ in pictures]
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
    )
    if exactly and agreement.difference > MOST_DIFFERENT:
        raise ExportError(
            f"the export as {EXPORTERS[format].title} gives other probabilities than predict: they "
            f"differ by {agreement.difference:.2g}, at most {MOST_DIFFERENT:g} is allowed; nothing "
            f"was written"
        )
    return agreement
