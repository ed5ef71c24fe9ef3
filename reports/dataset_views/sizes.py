"""Sizes of images, from their headers alone, and images that are much unlike the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DatasetError, ImageRejectedError
from ...features.images.headers import Header, read_header
from ...formatting import counted
from ...progress import Progress
from ...viz.dataset_views.sizes import Odd, draw_sizes

if TYPE_CHECKING:
    from ...datasets import Dataset
    from ...extraction import FeatureTable
    from ...viz.theme import Theme

_FAR = 6.0
"""Times the usual distance from the median, by which something is odd …"""
_LEAST_FACTOR = 3.0
"""… if it is also so many times as large or small as the median."""


def sizes(
    data: Dataset | FeatureTable,
    output: Path,
    title: str,
    theme: Theme,
    progress: bool | None,
) -> str:
    """Draw width by height, file sizes and formats; return the caption."""
    headers: list[Header] = []
    paths: list[str] = []
    n_unread = 0
    with Progress("Reading headers", show=progress):
        for path in data.paths:
            try:
                headers.append(read_header(path))
                paths.append(path)
            except ImageRejectedError:
                n_unread += 1
    if not headers:
        raise DatasetError(
            f"none of {counted(n_unread, 'image')} has a header that can be read: "
            f"`bottlebank extract` says why"
        )
    widths, heights, formats, n_bytes = zip(*headers, strict=True)
    odd = odd_ones(headers, paths)
    by_size = Counter((header.width, header.height) for header in headers).most_common(1)
    (width, height), n_same = by_size[0]
    caption = (
        f"{counted(len(headers), 'image')}, upright. Widths are from {min(widths):,} to "
        f"{max(widths):,} pixels, heights from {min(heights):,} to {max(heights):,}."
    )
    if n_same == len(headers):
        caption = f"{counted(n_same, 'image')}, upright, of {width:,}×{height:,} pixels."
    elif n_same > 1:
        caption += (
            f" The most frequent size is {width:,}×{height:,} ({n_same:,}); images of one size "
            f"share a point, which grows with their number."
        )
    if n_unread:
        caption += f" Not among them: {counted(n_unread, 'file')} that cannot be read."
    draw_sizes(widths, heights, n_bytes, formats, odd, output, title, caption, theme)
    return caption


def odd_ones(headers: list[Header], paths: list[str]) -> list[Odd]:
    """Images much larger, smaller, longer or heavier than most, the oddest first.

    The distance from the median of a logarithm is measured in median absolute deviations (Iglewicz
    & Hoaglin, "How to Detect and Handle Outliers", 1993), of at least a tenth of a factor of 2: of
    images that nearly all have one size, the deviation is 0.
    """
    width, height, n_bytes = (
        np.array([getattr(each, name) for each in headers], float)
        for name in ("width", "height", "n_bytes")
    )
    measures = (
        (width * height, lambda each: f"{each.width:,}×{each.height:,} pixels"),
        (width / height, lambda each: f"{each.width:,}×{each.height:,}, width to height"),
        (
            n_bytes / (width * height),
            lambda each: f"{each.n_bytes / (each.width * each.height):.2g} bytes per pixel",
        ),
    )
    found: dict[int, tuple[float, str]] = {}
    for values, in_words in measures:
        logs = np.log2(np.maximum(values, 1e-9))
        median = float(np.median(logs))
        far = np.abs(logs - median)
        deviation = max(1.4826 * float(np.median(far)), 0.1)
        is_odd = (far / deviation > _FAR) & (far > np.log2(_LEAST_FACTOR))
        for row in np.flatnonzero(is_odd).tolist():
            distance = float(far[row] / deviation)
            if distance > found.get(row, (0.0, ""))[0]:
                more = "more" if logs[row] > median else "less"
                times = f"{2.0 ** far[row]:,.1f} times {more} than most"
                found[row] = (distance, f"{in_words(headers[row])}, {times}")
    order = sorted(found, key=lambda row: -found[row][0])
    return [Odd(row, Path(paths[row]).name, found[row][1]) for row in order]
