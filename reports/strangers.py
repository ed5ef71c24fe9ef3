"""Pictures that are not handwritten digits, for the demo: what does its head say of them?"""

from __future__ import annotations

import io
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..atomic_file import write_bytes
from ..viz.figure_file import INK, new_figure, write_picture

if TYPE_CHECKING:
    from pathlib import Path

STRANGERS = {
    "temple.jpg": "a photograph of a temple",
    "flower.jpg": "a photograph of a flower",
    "noise.png": "noise",
    "chart.png": "a chart",
}
"""File names, with what is seen."""
_PHOTOGRAPHS = {"temple.jpg": "china.jpg", "flower.jpg": "flower.jpg"}
"""As scikit-learn names those that come with it."""


def write_strangers(folder: Path) -> list[Path]:
    """Write the pictures into `folder`, which is made; return their paths, as in `STRANGERS`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, original in _PHOTOGRAPHS.items():
        write_bytes(folder / name, files("sklearn.datasets.images").joinpath(original).read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "PNG")
    write_bytes(folder / "noise.png", encoded.getvalue())
    _draw_chart(folder / "chart.png")
    return [folder / name for name in STRANGERS]


def _draw_chart(output: Path) -> None:
    figure = new_figure(3, 2)
    axes = figure.add_axes((0, 0, 1, 1))
    months = np.arange(12)
    axes.bar(months, 20 + 15 * np.sin(months / 2), color="#56b4e9")
    axes.plot(months, 10 + 2.5 * months, color=INK, marker="o")
    write_picture(figure, output)
