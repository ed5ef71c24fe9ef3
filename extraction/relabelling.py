"""Laying a labels file over a table: other labels, and images that are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.labels_file import Decision, escaped
from ..errors import DatasetError
from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..cache import ContentHash
    from ..datasets.labels_file import LabelsFile
    from .feature_table import FeatureTable


class Relabelled(NamedTuple):
    """A table over which a labels file was laid."""

    table: FeatureTable
    """Without the images that are left out."""
    before: np.ndarray
    """str, (n,): the labels of its rows before; empty where they had none."""
    n_left_out: int
    """Images that the file leaves out, or that have no label anywhere."""
    n_not_here: int
    """Rows of the file whose image is not in the table."""
    earlier: list[Decision]
    """What the file decides, also of images that are left out or not here: whatever is written of
    the table for the next round has these too."""

    @property
    def n_changed(self) -> int:
        """Images with another label than before."""
        return int((self.before != self.table.labels).sum())

    def in_words(self) -> str:
        """One line."""
        not_here = f"; {self.n_not_here:,} of its rows are of other images" * bool(self.n_not_here)
        return (
            f"{counted(self.n_changed, 'label')} changed, {counted(self.n_left_out, 'image')} left "
            f"out{not_here}"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "changed": self.n_changed,
            "left_out": self.n_left_out,
            "not_here": self.n_not_here,
        }


def relabel(
    table: FeatureTable, labels: LabelsFile, *, keeps_unlabelled: bool = False
) -> Relabelled:
    """Give the images of a table the labels of a file, which knows them by their content.

    An image that the file does not have keeps its label. Files with equal bytes have one label
    afterwards. Images that have a label nowhere are left out, unless it `keeps_unlabelled`; then
    only those go that the file leaves out.

    Raises
    ------
    DatasetError
        When the file has none of the images, or leaves out all.
    """
    contents, own = table.contents, table.labels.tolist()
    written: dict[str, set[str]] = {}
    for label in own:
        written.setdefault(escaped(label), set()).add(label)
    said = [
        _said(labels.labels[content], mine, written) if content in labels.labels else mine
        for content, mine in zip(contents, own, strict=True)
    ]
    here = labels.labels.keys() & set(contents)
    if not here and len(table):
        raise DatasetError(
            f"{labels.source} has none of these {counted(len(table), 'image')}: its keys are of "
            f"other images, or of files that have been changed since"
        )
    left_out = {content for content, label in labels.labels.items() if not label}
    left_out -= labels.undecided
    rows = np.flatnonzero(
        [
            bool(label) or (keeps_unlabelled and not mine and content not in left_out)
            for label, mine, content in zip(said, own, contents, strict=True)
        ]
    )
    if not len(rows) and len(table):
        raise DatasetError(f"{labels.source} leaves out all {counted(len(table), 'image')}")
    before = table.labels[rows]
    part = table.some(rows).with_labels(np.array([said[row] for row in rows.tolist()]))
    earlier = _decisions(labels, contents, own)
    return Relabelled(part, before, len(table) - len(rows), len(labels) - len(here), earlier)


def _said(found: str, own: str, written: Mapping[str, Collection[str]]) -> str:
    """The label that a file means, in which bytes of names that are not UTF-8 are `escaped`.

    Where two classes are written alike, an image of one of them stays in it.
    """
    meant = written.get(found, ())
    if own in meant:
        return own
    return next(iter(meant)) if len(meant) == 1 else found


def _decisions(
    labels: LabelsFile, contents: Sequence[ContentHash], own: Sequence[str]
) -> list[Decision]:
    """Every row of a labels file but those that say nothing beside the labels that images have."""
    before: dict[bytes, set[str]] = {}
    for content, label in zip(contents, own, strict=True):
        before.setdefault(content, set()).add(escaped(label))
    decisions = []
    for content, label in labels.labels.items():
        undecided = content in labels.undecided
        if undecided and before.get(content) == {label}:
            continue
        is_open = undecided and not label and content not in before
        path = labels.paths.get(content, "")
        decisions.append(Decision(content.hex(), path, label, is_open))
    return decisions
