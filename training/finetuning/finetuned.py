"""What fine-tuning returns: the new head, and how it compares with the one before."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...classifier.metrics.comparison import mcnemar
from ...classifier.metrics.intervals import wilson_interval
from ...datasets.splits import TEST, VALIDATION
from ...formatting import counted, percent
from ..cross_validation import FINETUNED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...classifier import Head
    from ...datasets.splits import Split
    from ...extraction.feature_table import FeatureTable
    from ..trained import Trained
    from .epochs import Epochs

LEVEL = 0.05
"""Below which a p-value is taken for a difference."""


class Paired(NamedTuple):
    """Two heads on the same images."""

    images: int
    before: float
    """Accuracy of the head with the frozen network."""
    after: float
    """Accuracy of the head with the fine-tuned network."""
    gained: int
    """Images that only the second has right."""
    lost: int
    """Images that only the first has right."""
    p_value: float
    """Of McNemar's exact test that both are equally often right."""
    before_interval: tuple[float, float]
    """95 % of the accuracy, Wilson's."""
    after_interval: tuple[float, float]

    @property
    def is_gain(self) -> bool:
        """Whether the second is right more often than chance explains."""
        return self.gained > self.lost and self.p_value < LEVEL

    @property
    def is_loss(self) -> bool:
        """Whether the first is."""
        return self.gained < self.lost and self.p_value < LEVEL

    def in_words(self) -> str:
        """One line."""
        points = 100 * (self.after - self.before)
        verdict = "a gain" if self.is_gain else "a loss" if self.is_loss else "no clear difference"
        return (
            f"{counted(self.images, 'image')}: {percent(self.before)} frozen, "
            f"{percent(self.after)} fine-tuned ({points:+.1f} points: {self.gained} gained, "
            f"{self.lost} lost, p = {self.p_value:.2g}): {verdict}"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = self._asdict()
        intervals = {name: list(values[name]) for name in ("before_interval", "after_interval")}
        return {**values, **intervals, "gain": self.is_gain}


def paired(
    before: tuple[Head, FeatureTable], after: tuple[Head, FeatureTable], rows: np.ndarray
) -> Paired | None:
    """Compare two heads, each with the features of its own extractor, on rows of both tables.

    None without rows.
    """
    if not len(rows):
        return None
    right = []
    for head, table in (before, after):
        columns = head.predict_proba(table.features[rows]).argmax(axis=1)
        right.append(np.array(head.classes)[columns] == table.labels[rows])
    was, now = right
    n = len(rows)
    ends = [tuple(map(float, wilson_interval(int(each.sum()), n))) for each in right]
    return Paired(
        images=n,
        before=float(was.mean()),
        after=float(now.mean()),
        gained=int((now & ~was).sum()),
        lost=int((was & ~now).sum()),
        p_value=mcnemar(was, now),
        before_interval=(ends[0][0], ends[0][1]),
        after_interval=(ends[1][0], ends[1][1]),
    )


@dataclass(frozen=True)
class Finetuned:
    """A fine-tuned extractor and its head."""

    trained: Trained
    """The head, and how good it is on each split."""
    table: FeatureTable
    """The images with the features of the new extractor."""
    extractor: Path
    """The weights file: `weights` of `extract`, ``--weights`` on the command line."""
    head_file: Path
    blocks: Sequence[str]
    """The blocks of the network that were trained."""
    n_weights: int
    """How many numbers were trained, those of the head included."""
    epochs: Epochs
    paired: dict[str, Paired | None]
    """For ``validation`` and ``test``: beside the head that it began with."""
    n_seen: int | None
    """Validation and test images that the head before had been trained on; None: not known."""

    @property
    def head(self) -> Head:
        """The head."""
        return self.trained.head

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        about = self.head.training[FINETUNED]
        return {
            "extractor": str(self.extractor),
            "head": str(self.head_file),
            "version": self.head.version,
            "weights_sha256": self.table.recipe.weights_sha256,
            "fingerprint": self.table.recipe.fingerprint,
            **about,
            "n_weights": self.n_weights,
            "best_epoch": self.epochs.best,
            "start": self.epochs.start._asdict(),
            "history": [epoch._asdict() for epoch in self.epochs.history],
            "resumed_epochs": self.epochs.n_resumed,
            "epoch_seconds": [round(seconds, 3) for seconds in self.epochs.seconds],
            "compared": {
                name: None if found is None else found.as_dict()
                for name, found in self.paired.items()
            },
            "verdict": self.verdict(),
            "seen_before": self.n_seen,
            "temperature": self.head.temperature,
            "rejections": [{"path": path, "reason": why} for path, why in self.table.rejected],
        }

    def verdict(self) -> str:
        """One sentence: whether it was worth it."""
        test = self.paired[TEST] or self.paired[VALIDATION]
        if test is None:
            return "no image is left on which to compare it with the frozen network"
        split = "test" if self.paired[TEST] else "validation"
        if test.is_gain:
            return f"fine-tuning is worth it on {split} images"
        if test.is_loss:
            return f"fine-tuning has made it worse on {split} images: keep the head you have"
        return (
            f"no gain that {counted(test.images, f'{split} image')} would show: the head you have "
            f"is as good, and needs no weights file"
        )

    def __repr__(self) -> str:
        lines = [
            f"{name:<10} {'no images' if found is None else found.in_words()}"
            for name, found in self.paired.items()
        ]
        about = (
            f"{', '.join(self.blocks)}: {self.n_weights:,} weights, best epoch {self.epochs.best} "
            f"of {len(self.epochs.history)}"
        )
        facts = "\n".join([about, *lines, self.verdict(), repr(self.trained)])
        return f"<Finetuned {self.extractor}\n{indent(facts, '  ')}>"


def compare_splits(
    before: tuple[Head, FeatureTable], after: tuple[Head, FeatureTable], split: Split
) -> dict[str, Paired | None]:
    """See `Finetuned.paired`."""
    return {name: paired(before, after, split.rows(name)) for name in (VALIDATION, TEST)}
