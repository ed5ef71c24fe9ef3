"""What training returns: the head, and how good it is on each split."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from textwrap import indent
from typing import TYPE_CHECKING, NamedTuple

from ..formatting import counted, html_table, percent, with_interval

if TYPE_CHECKING:
    from ..classifier import Head
    from ..classifier.metrics.evaluation import Evaluation
    from ..datasets.splits import Split
    from .cross_validation import CrossValidated


@dataclass(frozen=True)
class Trained:
    """A head, and how good it is on each split."""

    head: Head
    evaluations: dict[str, Evaluation | None]
    """For ``train``, ``validation`` and ``test``; None for a split without images."""
    split: Split
    near_duplicates: dict[str, NearDuplicates]
    """For the splits that have any."""
    cross_validated: CrossValidated | None = None
    """Where a class has few images and no split is declared: figures on all images."""

    def __repr__(self) -> str:
        figures = "\n".join(
            f"  {split:<10} no images"
            if found is None
            else f"  {split:<10} {found.images_in_words}, accuracy {found.in_words('accuracy')}, "
            f"F1 {percent(found.f1_macro)}"
            for split, found in self.evaluations.items()
        )
        near = "".join(
            f"\n  {counted(found.images, 'near-duplicate')} in {split}"
            for split, found in self.near_duplicates.items()
        )
        facts = self.head.facts(with_figures=False)  # the figures stand above
        head = "\n".join([f"  <Head {self.head.version}", *(f"    {k:<12} {v}" for k, v in facts)])
        better = ""
        if self.cross_validated is not None:
            better = f"\n{indent(repr(self.cross_validated), '  ')}"
        return f"<Trained, split {self._how()}{better}\n{figures}{near}\n{head}>>"

    def _repr_html_(self) -> str:
        """The figures and the head, for notebooks."""
        headings = ("", "images", "accuracy [95 %]", "F1, mean over classes")
        figures = html_table(f"Trained, split {self._how()}", headings, self._figures())
        better = ""
        if self.cross_validated is not None:
            better = f"<p>{escape(repr(self.cross_validated))}</p>"
        facts = self.head.facts(with_figures=False)  # the figures stand above
        return better + figures + html_table(f"Head {self.head.version}", [], facts)

    def _how(self) -> str:
        return "as declared" if self.split.declared else "by content"

    def _figures(self) -> list[tuple[str, str, str, str]]:
        """Split, images, accuracy and F1, as people write them."""
        return [
            (split, "", "", "")
            if found is None
            else (
                split,
                f"{found.images:,}",
                with_interval(found.accuracy, found.intervals["accuracy"]),
                percent(found.f1_macro),
            )
            for split, found in self.evaluations.items()
        ]


class NearDuplicates(NamedTuple):
    """What near-duplicates of images in another split do to the accuracy of a split."""

    images: int
    accuracy_with: float
    accuracy_without: float | None
    """None where nothing else is in the split."""
