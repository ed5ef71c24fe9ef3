"""What is written of a map: the images of a table and their points, as columns of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...datasets.labels_file import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...extraction import FeatureTable
    from ...viz import Embedding

AXES = ("x", "y", "z")


class LaidOut(NamedTuple):
    """A table, and where its images lie."""

    table: FeatureTable
    embedding: Embedding
    """Its points are in the order of the table."""
    progress: bool | None = None
    """Whether to show progress, as `Progress` has it."""

    @property
    def words(self) -> dict[str, Sequence[str]]:
        """What is known of each image: key, path, label and split, empty where there is none.

        Bytes of names that are not UTF-8 are escaped, as in ``\\xff``.
        """
        table = self.table
        return {
            "key": [str(key) for key in table.keys],
            "path": [*map(escaped, table.paths)],
            "label": [*map(escaped, table.labels.tolist())],
            "split": [split or "" for split in table.splits],
        }

    @property
    def axes(self) -> Sequence[str]:
        """Names of the columns of its points."""
        return AXES[: self.embedding.points.shape[1]]
