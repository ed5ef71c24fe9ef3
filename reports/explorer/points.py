"""What a page shows of each image, as columns; where they come from does not matter here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...datasets.labels_file import Decision

MOST_CLASSES = 32_000
"""Colours have 16 bits, and each class two of them."""
NO_LABEL = -1


class Predicted(NamedTuple):
    """Predictions of all images."""

    codes: np.ndarray
    """int, (n,): places in the classes of the points."""
    confidence: np.ndarray
    """float, (n,), 0 to 1."""
    unknown: np.ndarray | None = None
    """bool, (n,); None where nobody says which images are of no class."""
    top_codes: np.ndarray | None = None
    """int, (n, k): the most probable classes, the first first."""
    top_shares: np.ndarray | None = None
    """float, (n, k): their probabilities."""
    in_words: str = ""
    """Who predicted."""
    fair: np.ndarray | None = None
    """bool, (n,): whether what predicted an image had not learned from it. Others count in
    no share of right predictions. None: all count."""


class Nearest(NamedTuple):
    """The images that are most like each image."""

    rows: np.ndarray
    """int, (n, k), nearest first."""
    cosines: np.ndarray
    """float, (n, k): of their transfer values."""


class RowMap(NamedTuple):
    """A photograph, small and grey, and over it what speaks for a class."""

    label: str
    picture: bytes
    """A WebP file."""
    in_words: str
    """What is to be seen."""


class RowMaps(NamedTuple):
    """The maps of one image."""

    row: int
    maps: Sequence[RowMap]
    """Of the class that it was taken for, and of its label."""
    note: str = ""
    """Why there are none, or what is to be known of them."""


class Explained(NamedTuple):
    """Mistakes of the head that predicted, with their maps."""

    rows: Sequence[RowMaps]
    """The most confident mistakes, the first first."""
    n_mistakes: int
    """Of all images."""
    in_words: str
    """How the maps were made, and what their colours mean."""


@dataclass(frozen=True)
class Points:
    """Images on a map, and what is known of them. All columns but the first five may be missing."""

    places: np.ndarray
    """float, (n, 2), finite, the second upwards."""
    classes: Sequence[str]
    """Names, without the empty one."""
    labels: np.ndarray
    """int, (n,): places in `classes`; `NO_LABEL` where an image has none."""
    paths: Sequence[str]
    """Without `root`."""
    keys: np.ndarray
    """uint8, (n, 32): SHA-256 of each image's bytes."""
    root: str = ""
    """What goes before every path in a labels file."""
    link: str | None = None
    """What goes before every path in the address of an original; None: there are no links."""
    odd_links: Mapping[int, str] = field(default_factory=dict)
    """Addresses, after `link`, of images whose names are not UTF-8."""
    splits: Sequence[str] | None = None
    """Names; empty where an image has none."""
    predicted: Predicted | None = None
    nearest: Nearest | None = None
    score: np.ndarray | None = None
    """float, (n,): how suspicious an image is; NaN where nobody says."""
    explained: Explained | None = None
    earlier: Sequence[Decision] = ()
    """Of a labels file that was laid over them: a download repeats it."""

    def __post_init__(self) -> None:
        """Raise ParameterError where the columns do not belong together."""
        n = len(self.paths)
        columns = {"places": self.places, "labels": self.labels, "keys": self.keys}
        for name, column in columns.items():
            if len(column) != n:
                raise ParameterError(name, f"has {len(column):,} rows and there are {n:,} paths")
        if not n:
            raise ParameterError("paths", "is empty: an explorer needs at least one image")
        if self.places.shape != (n, 2) or not np.isfinite(self.places).all():
            raise ParameterError(
                "places", f"must be finite and (n, 2), received {self.places.shape}"
            )
        if len(self.classes) > MOST_CLASSES:
            raise ParameterError(
                "classes", f"has {len(self.classes):,} names; an explorer shows {MOST_CLASSES:,}"
            )

    def __len__(self) -> int:
        return len(self.paths)
