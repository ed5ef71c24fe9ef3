"""What every kind of finding is made from, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.splits import TEST
from .nearest import most_similar

if TYPE_CHECKING:
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

    def examples(self, row: int, label: str, without: np.ndarray) -> tuple[int, ...]:
        """The images of a label that are the most similar to a row.

        Those of the mask `without`, bool (n,), which are doubtful themselves, come last.
        """
        every = self._rows_of_label.get(label, np.empty(0, int))
        good = every[~without[every]]
        few = good if len(good[good != row]) else every
        return most_similar(self.nearest.units, row, few, _N_SHOWN)


def class_codes(labels: np.ndarray) -> np.ndarray:
    """int, (n,): equal for equal labels, str (n,); -1 for the empty one."""
    _, codes = np.unique(labels, return_inverse=True)
    return np.where(labels == "", -1, codes)
