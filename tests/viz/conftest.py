"""What the pictures of `viz` are judged by: the words in an SVG, the pixels of a PNG."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray


@pytest.fixture
def svg_texts() -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        return [
            "".join(element.itertext()).strip()
            for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")
        ]

    return read


@pytest.fixture
def png_pixels() -> Callable[[Path], NDArray[np.float64]]:
    """(height, width, 3), 0-1."""
    return lambda path: imread(path)[:, :, :3].astype(np.float64)


@pytest.fixture
def is_colour() -> Callable[[NDArray[np.float64], str], NDArray[np.bool_]]:
    """Where pixels have a colour, up to what transparency over white does to it."""
    return lambda pixels, colour: np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.12


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that were written, the latest last."""
    figures: list[Figure] = []
    save = Figure.savefig

    def remember(figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures
