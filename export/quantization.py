"""What quantization costs: how often the head is right with it, beside without it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..classifier.metrics.comparison import mcnemar
from ..classifier.metrics.intervals import wilson_interval
from ..formatting import counted, with_interval
from .process import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..prediction import Predictor


class Cost(NamedTuple):
    """Figures on validation images, in float32 and quantized, paired."""

    images: int
    calibrated_on: int
    """Training images whose ranges were measured."""
    accuracy_float32: float
    accuracy: float
    lost: int
    """Images that only float32 has right."""
    won: int
    """Images that only the quantized network has right."""
    p_value: float
    """Of McNemar's exact test that both are equally often right."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return self._asdict()

    def in_words(self) -> str:
        """Two sentences."""
        before, after = (
            with_interval(share, wilson_interval(round(share * self.images), self.images).tolist())
            for share in (self.accuracy_float32, self.accuracy)
        )
        return (
            f"on {counted(self.images, 'validation image')}, accuracy {after}, in float32 "
            f"{before}: {self.lost} lost and {self.won} won, p = {self.p_value:.2g}. Ranges were "
            f"measured on {counted(self.calibrated_on, 'training image')}."
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
    return Cost(
        len(images),
        calibrated_on,
        float(exact.mean()),
        float(right.mean()),
        int((exact & ~right).sum()),
        int((right & ~exact).sum()),
        mcnemar(exact, right),
    )
