"""What every kind of finding is made from, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.splits import TEST
from .nearest import most_similar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable
    from ..training.judged import Judged
    from .nearest import Nearest
    from .properties import Properties

_N_SHOWN = 3
"""Images of a class that a suspicious one is compared with."""


@dataclass(frozen=True)
class Material:
    """A table, and what is known of its images."""

    table: FeatureTable
    split: Split
    """Rows without a label or of weight 0 are in none."""
    judged: Judged
    properties: Properties
    nearest: Nearest
    """What lies near each row."""
    include_test: bool = False
    """Whether other labels are suggested for images of the test split."""
    seed: int = 0

    @cached_property
    def labels(self) -> list[str]:
        """Of each row; empty where it has none."""
        return self.table.labels.tolist()

    @cached_property
    def codes(self) -> np.ndarray:
        """int, (n,): the label of each row as a column of `judged`; -1 where there is none."""
        column = {name: number for number, name in enumerate(self.judged.classes)}
        return np.array([column.get(label, -1) for label in self.labels], int)

    @cached_property
    def classes(self) -> np.ndarray:
        """int, (n,): equal for rows of one label; -1 where there is none."""
        return class_codes(self.table.labels)

    @cached_property
    def may_change(self) -> np.ndarray:
        """bool, (n,): whether another label may be suggested."""
        return (self.split.of_row != TEST) | self.include_test

    @cached_property
    def _rows_of_label(self) -> dict[str, np.ndarray]:
        names, codes = np.unique(self.table.labels, return_inverse=True)
        return {name: np.flatnonzero(codes == code) for code, name in enumerate(names.tolist())}

    def examples(
        self, rows: np.ndarray, labels: Sequence[str], without: np.ndarray
    ) -> list[tuple[int, ...]]:
        """For each row the images of a label, its own or another, that are the most similar to it.

        Those of the mask `without`, bool (n,), which are doubtful themselves, are taken where there
        are no others.
        """
        found: list[tuple[int, ...]] = [()] * len(rows)
        of_label: dict[str, list[int]] = {}
        for place, label in enumerate(labels):
            of_label.setdefault(label, []).append(place)
        for label, places in of_label.items():
            every = self._rows_of_label.get(label, np.empty(0, int))
            good = every[~without[every]]
            for among in (good, every):
                left = [place for place in places if not found[place]]
                some = most_similar(self.nearest.units, rows[left], among, _N_SHOWN)
                for place, like in zip(left, some, strict=True):
                    found[place] = like
        return found


def class_codes(labels: np.ndarray) -> np.ndarray:
    """int, (n,): equal for equal labels, str (n,); -1 for the empty one."""
    _, codes = np.unique(labels, return_inverse=True)
    return np.where(labels == "", -1, codes)
