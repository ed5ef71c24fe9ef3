"""What quantization costs: how often the head is right with it, beside without it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..classifier.metrics.comparison import Paired, paired
from ..formatting import counted, with_interval
from .process import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..prediction import Predictor


class Cost(NamedTuple):
    """Figures on validation images, in float32 and quantized, paired."""

    paired: Paired
    """`before`: in float32; `after`: quantized."""
    calibrated_on: int
    """Training images whose ranges were measured."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = self.paired
        return {
            "images": found.images,
            "calibrated_on": self.calibrated_on,
            "accuracy_float32": found.before,
            "accuracy": found.after,
            "lost": found.lost,
            "won": found.gained,
            "p_value": found.p_value,
        }

    def in_words(self) -> str:
        """Two sentences."""
        found = self.paired
        return (
            f"on {counted(found.images, 'validation image')}, accuracy "
            f"{with_interval(found.after, found.after_interval)}, in float32 "
            f"{with_interval(found.before, found.before_interval)}: {found.lost} lost and "
            f"{found.gained} won, p = {found.p_value:.2g}. Ranges were measured on "
            f"{counted(self.calibrated_on, 'training image')}."
        )


def cost_of(
    format: str,
    folder: Path,
    predictor: Predictor,
    images: Sequence[np.ndarray],
    labels: Sequence[str],
    calibrated_on: int,
) -> Cost:
    """Compare an export with the head in float32, on images uint8 (height, width, 3) each.

    Raises
    ------
    ExportError
        When the export does not run.
    """
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as scratch:
        found = answers(format, folder, [image[np.newaxis] for image in images], Path(scratch))
    expected = np.concatenate([predictor.probabilities(image[np.newaxis]) for image in images])
    names = np.array(predictor.classes)
    exact, right = (names[each.argmax(axis=1)] == np.array(labels) for each in (expected, found))
    return Cost(paired(exact, right), calibrated_on)
