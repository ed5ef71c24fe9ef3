"""Images of things that no classifier of photographs is made for, for `unknown.py`.

Noise (in colour, grey and in coarse squares), flat colours, charts, and the two photographs that
come with scikit-learn, whole and in parts.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

N_EACH = 60
_N_PARTS = 9  # of each photograph


def write_strangers(folder: Path) -> None:
    """Write them as PNG files, a folder per kind."""
    random = np.random.default_rng(0)
    for number in range(N_EACH):
        _save(_noise(number % 3, random), folder / "noise" / f"{number:02d}.png")
        _save(np.tile(random.integers(0, 256, 3), (200, 200, 1)), folder / "flat" / f"{number}.png")
    _draw_charts(folder / "charts", random)
    _cut_photographs(folder / "photographs", random)


def _noise(kind: int, random: np.random.Generator) -> np.ndarray:
    side_px = int(random.choice([32, 64, 128, 256, 400]))
    if kind == 0:
        return random.integers(0, 256, (side_px, side_px, 3))
    if kind == 1:
        return random.integers(0, 256, (side_px, side_px, 1)).repeat(3, axis=2)
    return np.kron(random.integers(0, 256, (side_px // 8, side_px // 8, 3)), np.ones((8, 8, 1)))


def _draw_charts(folder: Path, random: np.random.Generator) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir()
    for number in range(N_EACH):
        figure, axes = plt.subplots(figsize=(4, 3))
        n = random.integers(3, 40)
        match number % 5:
            case 0:
                axes.plot(random.normal(size=(n, 3)).cumsum(axis=0))
            case 1:
                axes.bar(range(n), random.random(n))
            case 2:
                axes.scatter(*random.normal(size=(2, 5 * n)))
            case 3:
                axes.pie(random.random(5))
            case _:
                axes.imshow(random.random((n, n)))
        if number % 2:
            axes.set(title="Sales", xlabel="quarter")
        figure.savefig(folder / f"{number}.png")
        plt.close(figure)


def _cut_photographs(folder: Path, random: np.random.Generator) -> None:
    from sklearn.datasets import load_sample_images

    for name, photograph in zip("ab", load_sample_images().images, strict=True):
        _save(photograph, folder / f"{name}.png")
        for number in range(_N_PARTS):
            side_px = random.integers(100, 400)
            top, left = (random.integers(0, full - side_px) for full in photograph.shape[:2])
            part = photograph[top : top + side_px, left : left + side_px]
            _save(part, folder / f"{name}{number}.png")


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
