"""Problems of a dataset as tables of a report: contradictions, near-duplicates, rejections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..training.dataset_problems import without_contradictions
from ..untrusted.terminal import shown
from ..viz.report import Section, Table
from .paths_within import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_IN_A_TABLE = 200


def problem_sections(answer: dict[str, Any], source: str) -> Iterator[Section]:
    """Sections of a report for what an answer lists; none for what it has not.

    Paths are relative to `source`, where they lead into it: a page is narrow.
    """
    contradictions = answer["contradictions"]
    near = without_contradictions(answer["near_duplicates"], contradictions)
    if contradictions:
        yield Section(
            "Contradictory labels",
            _bounded(
                "The same image stands under two labels, or the same file in two splits: keep the "
                "right one.",
                contradictions,
            ),
            table=_table_of_pairs(contradictions, source),
        )
    if near:
        fate = "They are left out: the figures do not count them."
        if not all(pair["left_out"] for pair in near):
            fate = "They are evaluated, since the split is declared: figures are a little too good."
        yield Section(
            "Near-duplicates in two splits",
            _bounded(f"Images that show nearly the same as one of another split. {fate}", near),
            table=_table_of_pairs(near, source),
        )
    rejections = answer["rejections"]
    if rejections:
        rows = [
            (shown_within(source, found["path"]), shown(found["reason"])) for found in rejections
        ]
        yield Section(
            "Rejected images",
            _bounded("These images cannot be read and take no part.", rejections),
            table=Table(["image", "reason"], rows[:MOST_IN_A_TABLE], n_word_columns=2),
        )


def shown_within(source: str, path: str) -> str:
    """A path as by `within`, as one line."""
    return shown(within(source, path))


def _table_of_pairs(pairs: Sequence[dict[str, Any]], source: str) -> Table:
    rows = [
        (
            shown_within(source, pair["path"]),
            f"{pair['split']}, {shown(pair['label'])}",
            "the same as" if pair["equal"] else "nearly the same as",
            shown_within(source, pair["of"]),
            f"{pair['of_split']}, {shown(pair['of_label'])}",
        )
        for pair in pairs[:MOST_IN_A_TABLE]
    ]
    return Table(["image", "split, label", "is", "image", "split, label"], rows, n_word_columns=5)


def _bounded(text: str, found: Sequence[object]) -> str:
    if len(found) <= MOST_IN_A_TABLE:
        return text
    return f"{text} The first {MOST_IN_A_TABLE} of {len(found):,}; evaluation.json lists all."
