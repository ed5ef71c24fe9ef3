"""The parts of an image that occlusion hides, one at a time.

Squares that overlap; or, as in M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?",
KDD 2016, section 3, segments of like colour: a thing of one colour is hidden whole, and nothing
beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import ParameterError

Part = tuple[slice, slice] | tuple[np.ndarray, np.ndarray]
"""What is hidden at once, as it indexes an image: spans, or places, of rows and of columns."""

_MOST_CELLS = 128
"""Along a side, when segments are made: the time grows with their square."""
_WEIGHT_OF_PLACE = 0.5
"""A side counts as this share of the 255 levels of one channel: segments stay compact."""


class Patches(NamedTuple):
    """Squares that overlap; from `patches_for`."""

    patch_px: int
    stride_px: int

    def of(self, pixels: np.ndarray) -> list[Part]:
        """Where they lie in uint8 (side, side, 3), from before its edges to beyond them.

        There they hide what lies at an edge as often as any other part: of fewer, one fall would
        weigh more in the mean.
        """
        begins = range(self.stride_px - self.patch_px, len(pixels), self.stride_px)
        spans = [slice(max(0, begin), begin + self.patch_px) for begin in begins]
        return [(rows, columns) for rows in spans for columns in spans]


class Segments(NamedTuple):
    """Connected parts of like colour that cover the image; from `segments_for`."""

    segments: int

    def of(self, pixels: np.ndarray) -> list[Part]:
        """By Ward's method, of uint8 (side, side, 3), with each pixel in one of them.

        Clustered are the colours of pixels, and their places, which weigh less. Of an image of more
        than 128 pixels along a side, small squares of pixels are kept whole.
        """
        from sklearn.cluster import AgglomerativeClustering
        from sklearn.feature_extraction.image import grid_to_graph

        cells = _cells(len(pixels))
        n_cells = int(cells[-1]) + 1
        sums = np.zeros((n_cells, n_cells, 3))
        np.add.at(sums, (cells[:, np.newaxis], cells), pixels)
        along = np.bincount(cells)
        colours = sums / (along[:, np.newaxis] * along)[..., np.newaxis]
        places = np.moveaxis(np.indices((n_cells, n_cells)), 0, -1) / n_cells
        described = np.concatenate([colours, places * (255 * _WEIGHT_OF_PLACE)], axis=2)
        clusters = AgglomerativeClustering(
            self.segments, connectivity=grid_to_graph(n_cells, n_cells), linkage="ward"
        )
        labels = clusters.fit_predict(described.reshape(n_cells**2, -1)).reshape(n_cells, n_cells)
        of_pixels = labels[cells][:, cells]
        in_order = np.argsort(of_pixels, axis=None, kind="stable")
        ends = np.cumsum(np.bincount(of_pixels.ravel()))[:-1]
        parts = (np.unravel_index(each, of_pixels.shape) for each in np.split(in_order, ends))
        return [(rows, columns) for rows, columns in parts]


def patches_for(side_px: int, patch_px: int | None = None, stride_px: int | None = None) -> Patches:
    """Sides and distance of patches; by default a seventh of the image, and half of that.

    Raises
    ------
    ParameterError
        When a patch is larger than the image, or patches would leave gaps.
    """
    patch = max(1, side_px // 7) if patch_px is None else patch_px
    if not 1 <= patch <= side_px:
        raise ParameterError(
            "patch_px", f"is between 1 and {side_px}, the side of the network's input; not {patch}"
        )
    stride = max(1, patch // 2) if stride_px is None else stride_px
    if not 1 <= stride <= patch:
        raise ParameterError(
            "stride_px",
            f"is between 1 and {patch}, the side of a patch, or gaps are left; not {stride}",
        )
    return Patches(patch, stride)


def segments_for(side_px: int, number: int) -> Segments:
    """So many segments.

    Raises
    ------
    ParameterError
        When an image of that side is not cut into so many.
    """
    most = (int(_cells(side_px)[-1]) + 1) ** 2
    if not 2 <= number <= most:
        raise ParameterError(
            "segments",
            f"is between 2 and {most}, for {side_px} pixels, the side of the network's input; "
            f"not {number}",
        )
    return Segments(number)


def _cells(side_px: int) -> np.ndarray:
    """The number of the cell, along a side, of each pixel."""
    return np.arange(side_px) // -(-side_px // _MOST_CELLS)
