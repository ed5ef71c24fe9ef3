"""What a recipe comes to: figures, the comparison, and where everything is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..classifier.metrics.comparison import LEVEL
from ..classifier.metrics.evaluation import Evaluation, evaluate
from ..formatting import percent, with_interval

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ..classifier.metrics.comparison import Comparison, Paired


@dataclass(frozen=True)
class Example:
    """What the head says of one image that it was not trained on."""

    path: str
    label: str
    top: list[tuple[str, float]]
    """The most probable classes, and how probable."""
    tags: list[str]
    """Empty where the recipe has none."""


class Answers(NamedTuple):
    """What a head, or the baseline, says of the images that are evaluated."""

    split: str
    rows: np.ndarray
    """int, (n,): of the table."""
    labels: np.ndarray
    """str, (n,)."""
    probabilities: np.ndarray
    """float, (n, k)."""
    classes: np.ndarray
    """str, (k,)."""

    @property
    def right(self) -> np.ndarray:
        """bool, (n,): whether the most probable class is the true one."""
        return self.classes[self.probabilities.argmax(axis=1)] == self.labels

    def evaluation(self) -> Evaluation:
        """The figures."""
        return evaluate(self.labels.tolist(), self.probabilities, self.classes.tolist())


@dataclass(frozen=True)
class Deployed:
    """The head to go on with, which is also the one that is exported."""

    head: Path
    version: str
    weights: Path | None
    """Of the fine-tuned network; None: the network is not fine-tuned."""
    validation: Paired | None = None
    """The frozen and the fine-tuned network on the validation split, which chose; None: there was
    nothing to choose."""

    @property
    def is_finetuned(self) -> bool:
        """Whether its network is."""
        return self.weights is not None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "head": str(self.head),
            "version": self.version,
            "fine_tuned": self.is_finetuned,
            "validation": None if self.validation is None else self.validation.as_dict(),
        }

    def in_words(self) -> str:
        """Which it is, and why."""
        kind = "fine-tuned" if self.is_finetuned else "frozen"
        words = f"the head on the {kind} network, version {self.version} ({self.head})"
        if self.validation is not None:
            found = self.validation
            verdict = "a gain" if found.is_gain else "no clear gain"
            words += (
                f": on validation, fine-tuning is {verdict} ({percent(found.before)} → "
                f"{percent(found.after)}, p = {found.p_value:.2g})"
            )
        return words


@dataclass(frozen=True)
class Outcome:
    """What a recipe came to."""

    name: str
    extractor: str
    left_out: list[str]
    """Settings of the recipe that mean nothing to the extractor that was chosen in its place."""
    split: str
    """Which was evaluated."""
    chose_epochs: bool
    """Whether these images also chose the best epochs, so that the figures are too good."""
    evaluation: Evaluation
    """Of `head`, on the frozen network; or of the baseline."""
    comparison: Comparison
    """With the baseline, and with what is tried beside, on the same images."""
    baseline_epoch: int | None
    """The best of the baseline, counted from 1; None without it."""
    example: Example
    head: Path | None
    """None of the baseline alone."""
    report: Path | None
    curves: Path
    finetuned: dict[str, Any] | None
    """What `finetune` says of it; None where nothing was to be fine-tuned."""
    deployed: Deployed | None
    """None of the baseline alone."""
    exported: dict[str, Any] | None
    """What `export` says of it; None where the recipe has no format, or none was wanted."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "recipe": self.name,
            "extractor": self.extractor,
            "left_out": self.left_out,
            "split": self.split,
            "split_chose_epochs": self.chose_epochs,
            **self.evaluation.as_dict(),
            "comparison": self.comparison.as_dict(),
            "baseline_epoch": self.baseline_epoch,
            "example": asdict(self.example),
            "head": None if self.head is None else str(self.head),
            "report": None if self.report is None else str(self.report),
            "curves": str(self.curves),
            "finetuned": self.finetuned,
            "deployed": None if self.deployed is None else self.deployed.as_dict(),
            "exported": self.exported,
        }


def in_words(outcome: Outcome) -> list[str]:
    """What came out, a line each."""
    found, example = outcome.evaluation, outcome.example
    which = " (frozen network)" if outcome.finetuned is not None else ""
    lines = [
        f"{outcome.name}{which} on {outcome.split}: {found.images_in_words}, accuracy "
        f"{with_interval(found.accuracy, found.intervals['accuracy'])}, precision "
        f"{percent(found.precision_macro)}, recall {percent(found.recall_macro)}, F1 "
        f"{percent(found.f1_macro)} ({found.means_over})"
    ]
    if outcome.chose_epochs:
        lines.append(
            f"  there is no test split: {outcome.split} also chose the best epochs, so that these "
            f"figures are too good"
        )
    for each in outcome.comparison.candidates:
        against = "the best"
        if each.p_value is not None:
            against = "p < 0.001" if each.p_value < 0.001 else f"p = {each.p_value:.3f}"
            against += " (worse)" if each.p_value < LEVEL else " (may be as good)"
        lines.append(f"  {each.name:<30}  {percent(each.accuracy):>7}  {against}")
    top = ", ".join(f"{label} {percent(share)}" for label, share in example.top)
    of = f"; tags: {', '.join(example.tags)}" if example.tags else ""
    lines.append(f"  such as {example.path} ({example.label}): {top}{of}")
    if outcome.deployed is not None and (outcome.finetuned or outcome.exported):
        done = "exported" if outcome.exported else "to be deployed"
        lines.append(f"  {done}: {outcome.deployed.in_words()}")
    return lines
