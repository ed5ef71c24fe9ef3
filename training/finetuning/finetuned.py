"""What fine-tuning returns: the new head, and how it compares with the one before."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Any

from ...classifier.metrics.comparison import Paired, paired
from ...datasets.splits import TEST, VALIDATION
from ...formatting import counted, percent
from ..cross_validation import FINETUNED
from ..evaluate import is_right

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...classifier import Head
    from ...datasets.splits import Split
    from ...extraction.feature_table import FeatureTable
    from ..trained import Trained
    from .epochs import Epochs


def in_words(found: Paired | None) -> str:
    """One line about the frozen and the fine-tuned network on the same images."""
    if found is None:
        return "no images"
    points = 100 * (found.after - found.before)
    verdict = "a gain" if found.is_gain else "a loss" if found.is_loss else "no clear difference"
    return (
        f"{counted(found.images, 'image')}: {percent(found.before)} frozen, "
        f"{percent(found.after)} fine-tuned ({points:+.1f} points: {found.gained} gained, "
        f"{found.lost} lost, p = {found.p_value:.2g}): {verdict}"
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

    @property
    def is_worth_it(self) -> bool:
        """Whether to go on with the new head: it is a clear gain, or nothing could be compared."""
        found = self.paired[TEST] or self.paired[VALIDATION]
        return found is None or found.is_gain

    @property
    def has_lower_loss(self) -> bool:
        """Whether the best epoch has a lower validation loss than the head that it began with."""
        history, start = self.epochs.history, self.epochs.start
        return history[self.epochs.best - 1].validation_loss < start.validation_loss

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
        lines = [f"{name:<10} {in_words(found)}" for name, found in self.paired.items()]
        about = (
            f"{', '.join(self.blocks)}: {self.n_weights:,} weights, best epoch {self.epochs.best} "
            f"of {len(self.epochs.history)}"
        )
        facts = "\n".join([about, *lines, self.verdict(), repr(self.trained)])
        return f"<Finetuned {self.extractor}\n{indent(facts, '  ')}>"


def compare_splits(
    before: tuple[Head, FeatureTable], after: tuple[Head, FeatureTable], split: Split
) -> dict[str, Paired | None]:
    """Compare two heads, each with the features of its own extractor: `Finetuned.paired`.

    None for a split without images.
    """
    compared = {}
    for name in (VALIDATION, TEST):
        rows = split.rows(name)
        was, now = (is_right(head, table, rows) for head, table in (before, after))
        compared[name] = paired(was, now) if len(rows) else None
    return compared
