"""A sheet of paper on which pictures and words are placed in inches from its upper left corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figure_file import new_figure, write_picture
from ..text import text_style, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ..theme import Theme


class Sheet:
    """A picture of one kind of a dataset.

    Parameters
    ----------
    width_in, height_in
        Of the sheet, without the title above and the caption below.
    theme
        Light or dark.
    """

    def __init__(self, width_in: float, height_in: float, theme: Theme) -> None:
        self.theme = theme
        self.width_in, self.height_in = width_in, height_in
        self.figure = new_figure(width_in, height_in, theme)
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width_in)
        self._axes.set_ylim(height_in, 0)

    def image(self, pixels: NDArray[np.uint8], x_in: float, y_in: float, side_in: float) -> None:
        """Place a picture in the middle of a square; uint8, (height, width, 3), RGB, 0-255."""
        height, width = pixels.shape[:2]
        scale = side_in / max(height, width)
        left = x_in + (side_in - scale * width) / 2
        top = y_in + (side_in - scale * height) / 2
        self._axes.imshow(
            pixels,
            extent=(left, left + scale * width, top + scale * height, top),
            aspect="auto",
            interpolation="antialiased",
        )
        self._axes.set_xlim(0, self.width_in)
        self._axes.set_ylim(self.height_in, 0)

    def words(
        self,
        text: str,
        x_in: float,
        y_in: float,
        size_pt: float = 9,
        *,
        strong: bool = False,
        right: bool = False,
    ) -> None:
        """Place words on a line, their lower left, or lower right, corner there."""
        self._axes.text(
            *(x_in, y_in, text),
            ha="right" if right else "left",
            va="baseline",
            color=self.theme.strong if strong else self.theme.ink,
            clip_on=False,
            **text_style(size_pt),
        )

    def panel(self, x_in: float, y_in: float, width_in: float, height_in: float) -> Axes:
        """Axes of their own, their upper left corner there."""
        return self.figure.add_axes(
            (
                x_in / self.width_in,
                1 - (y_in + height_in) / self.height_in,
                width_in / self.width_in,
                height_in / self.height_in,
            )
        )

    def write(self, output: Path, title: str, caption: str, below_in: float = 0.12) -> None:
        """Write it with a title above and a caption below, at that distance."""
        letters = max(40, int(self.width_in * 9.5))
        self.figure.text(
            *(0, 1 + 0.22 / self.height_in, wrapped(title, letters)),
            va="bottom",
            color=self.theme.strong,
            **text_style(14),
        )
        self.figure.text(
            *(0, -below_in / self.height_in, wrapped(caption, max(60, int(self.width_in * 14)))),
            va="top",
            color=self.theme.ink,
            **text_style(9),
        )
        write_picture(self.figure, output)
