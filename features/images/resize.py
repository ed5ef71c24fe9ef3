"""Named rules by which published networks have their pictures scaled, all with Pillow.

A rule is a text in `Preprocessing.resize` and in a recipe: `ResizeRule.parse` reads what `str`
gave. Libraries agree on the filters, Pillow's with antialiasing, and differ by a pixel in sizes:

====================  ====================================  ==================================
Library               longer side, where the shorter is px  offset of the crop
====================  ====================================  ==================================
transformers          ``int(px * longer / shorter)``        ``int(rest / 2)``
torchvision, timm     ``int(px * longer / shorter)``        ``round(rest / 2)``, half to even
open_clip             ``int(px * longer / shorter)``        ``round(rest / 2)``, half to even
====================  ====================================  ==================================

Where timm and open_clip scale the longer side to px instead, both are ``round(side / (longer /
px))``, half to even. A picture that is smaller than the crop is laid in the middle, ``rest // 2``
from the top and the left.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
"""Pillow's filters by name; in a processor's file they are numbers."""

MAX_PX = 1 << 14
"""Of a side that a rule names."""

_SIDES = {
    "both sides": "warped",
    "shorter side": "the longer rounded down",
    "longer side": "both rounded half to even",
}
_OFFSETS = {"down": "rounded down", "even": "rounded half to even"}
_TEXT = re.compile(
    r"Pillow (?P<filter>\w+), (?P<side>\w+ sides?) to (?P<px>\d{1,5}), (?P<rounding>[\w ]+)"
    r"(?:; middle (?P<crop>\d{1,5}), offset (?P<offset>[\w ]+), "
    r"on \((?P<red>\d{1,3}), (?P<green>\d{1,3}), (?P<blue>\d{1,3})\))?"
)
# A scaled picture of more pixels is computed only where it is kept.
_MAX_SCALED_PIXELS = 1 << 25


class ResizeRule(NamedTuple):
    """A rule: scale a picture with a filter, then cut out the middle or lay it in the middle."""

    filter: str
    """One of `FILTERS`."""
    side: str
    """Which becomes `px`: ``both sides``, ``shorter side`` or ``longer side``."""
    px: int
    crop_px: int | None = None
    """Height and width of what is cut out; None: nothing is."""
    offset: str = "down"
    """How half a pixel is rounded in the offset of the crop: ``down`` or ``even``."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """RGB of what lies around a picture that is smaller than the crop."""

    @classmethod
    @lru_cache(maxsize=64)
    def parse(cls, text: str) -> ResizeRule:
        """Read what `str` gave.

        Raises
        ------
        ValueError
            When it is anything else.
        """
        found = _TEXT.fullmatch(text)
        if found is not None:
            crop = {}
            if found["crop"] is not None:
                offset = next((key for key in _OFFSETS if _OFFSETS[key] == found["offset"]), "")
                fill = (int(found["red"]), int(found["green"]), int(found["blue"]))
                crop = {"crop_px": int(found["crop"]), "offset": offset, "fill": fill}
            rule = cls(found["filter"], found["side"], int(found["px"]), **crop)
            if rule._is_valid() and str(rule) == text:
                return rule
        raise ValueError(f"no rule by which pictures are scaled: {text[:200]!r}")

    def _is_valid(self) -> bool:
        return (
            self.filter in FILTERS
            and self.side in _SIDES
            and 1 <= self.px <= MAX_PX
            and (self.crop_px is not None or self.side == "both sides")
            and (self.crop_px is None or 1 <= self.crop_px <= MAX_PX)
            and self.offset in _OFFSETS
            and max(self.fill) <= 255
        )

    def __str__(self) -> str:
        text = f"Pillow {self.filter}, {self.side} to {self.px}, {_SIDES[self.side]}"
        if self.crop_px is not None:
            text += f"; middle {self.crop_px}, offset {_OFFSETS[self.offset]}, on {self.fill}"
        return text

    @property
    def output_px(self) -> int:
        """Height and width of what comes out."""
        return self.px if self.crop_px is None else self.crop_px

    @property
    def fit(self) -> str:
        """Which of `fit.FITS` it is, but for the pixels."""
        return {"both sides": "squash", "shorter side": "crop", "longer side": "pad"}[self.side]

    def scaled_to(self, output_px: int) -> ResizeRule:
        """The rule for an input of another size, with all else in proportion."""
        if self.crop_px is None:
            return self._replace(px=output_px)
        return self._replace(px=max(1, self.px * output_px // self.crop_px), crop_px=output_px)

    def applied_to(self, pixels: np.ndarray) -> np.ndarray:
        """Scale a picture.

        Parameters
        ----------
        pixels
            uint8, (height, width, 3), RGB; of the size that the file has.

        Returns
        -------
        ndarray
            uint8, (`output_px`, `output_px`, 3).
        """
        image = Image.fromarray(np.ascontiguousarray(pixels))
        width, height = self._scaled_size(image.size)
        if self.crop_px is None:
            return np.asarray(image.resize((width, height), FILTERS[self.filter]))
        output = np.full((self.crop_px, self.crop_px, 3), self.fill, np.uint8)
        left, to_left, inner_width = self._placed(width)
        top, to_top, inner_height = self._placed(height)
        if width * height <= _MAX_SCALED_PIXELS:
            scaled = image.resize((width, height), FILTERS[self.filter])
            inner = scaled.crop((left, top, left + inner_width, top + inner_height))
        else:
            across, down = image.width / width, image.height / height
            inner = image.resize(
                (inner_width, inner_height),
                FILTERS[self.filter],
                (
                    left * across,
                    top * down,
                    min((left + inner_width) * across, image.width),
                    min((top + inner_height) * down, image.height),
                ),
            )
        output[to_top : to_top + inner_height, to_left : to_left + inner_width] = np.asarray(inner)
        return output

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """(top, left, height, width) of what comes out, in the pixels of a picture."""
        if self.crop_px is None:
            return 0, 0, height, width
        wide, tall = self._scaled_size((width, height))
        across, down = width / wide, height / tall
        (left, to_left, _), (top, to_top, _) = self._placed(wide), self._placed(tall)
        side_px = self.crop_px
        return (top - to_top) * down, (left - to_left) * across, side_px * down, side_px * across

    def _scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the whole scaled picture."""
        if self.side == "both sides":
            return self.px, self.px
        width, height = size
        if self.side == "longer side":
            ratio = max(size) / self.px
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        if width <= height:
            return self.px, int(self.px * height / width)
        return int(self.px * width / height), self.px

    def _placed(self, side: int) -> tuple[int, int, int]:
        """Where a side of the scaled picture is cut, where that goes, and how much of it."""
        assert self.crop_px is not None
        rest = side - self.crop_px
        if rest < 0:
            return 0, -rest // 2, side
        return (rest // 2 if self.offset == "down" else round(rest / 2)), 0, self.crop_px
