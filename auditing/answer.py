"""The audit of a table: what was found, and every image that was judged, most suspicious first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import require_seed, require_whole
from ..datasets.labels_file import EARLIER, write_suggestions
from ..datasets.splits import TEST, Split
from ..extraction.feature_table import require_table
from ..formatting import counted, percent
from ..memory_room import require_room
from ..progress import Progress
from ..training.judged import Judged, judge
from ..training.split import split_table, spread
from . import next_to_label, shortcuts
from .duplicates import EQUAL_FILES
from .finding import DUPLICATE, LABEL, NEXT, OUTLIER
from .kinds import FINDERS
from .label_errors import suspicions
from .material import Material, class_codes
from .nearest import nearest_of
from .properties import properties_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier.given_head import HeadLike
    from ..datasets.labels_file import Decision
    from ..extraction.feature_table import FeatureTable
    from .finding import Finding
    from .label_errors import Suspicions
    from .shortcuts import Shortcut

_IN_WORDS = {
    LABEL: ("label that is likely wrong", "labels that are likely wrong"),
    DUPLICATE: (
        "image twice, under two labels or in two splits",
        "images twice, under two labels or in two splits",
    ),
    OUTLIER: ("image unlike the others", "images unlike the others"),
    NEXT: ("image to label next", "images to label next"),
}
_COPIES = 6
"""Of all rows, that an audit has in memory at its peak."""
_SOUGHT = {LABEL: "wrong labels", DUPLICATE: "duplicates", OUTLIER: "outliers"}


@dataclass(frozen=True, repr=False)
class Audit:
    """What may be wrong with a table. Nothing of it is applied."""

    table: FeatureTable
    split: Split
    judged: Judged
    findings: dict[str, list[Finding]]
    """By kind: ``label``, ``duplicate``, ``outlier`` and ``next``; the worst first."""
    shortcuts: list[Shortcut]
    n_judged: int
    """How many images have a label of which their prediction says something."""
    share_wrong: float | None
    """Estimated share of wrong labels among them, 0 to 1; None where there are none."""
    order: np.ndarray
    """int, (n,): every row, the most suspicious label first, images without a label last."""
    scores: np.ndarray
    """float64, (n,): of each row of the table, how likely its label is wrong; 0 where nothing is
    known; of an image without a label, how uncertain its class is."""
    suggested: list[str]
    """Of each row of the table: another label; empty where none is suggested."""
    kinds: list[str]
    """Of each row of the table: the first kind of finding that it has; empty where it has none."""

    def __repr__(self) -> str:
        lines = [] if self.has_labels else ["no image has a label: none could be judged"]
        facts = "\n".join(f"  {line}" for line in [*lines, *self.in_words()])
        return f"<Audit of {counted(len(self.table), 'image')}\n{facts}>"

    @property
    def kinds_looked_for(self) -> list[str]:
        """Without those of which images without labels have none, in the order of `findings`."""
        always = (LABEL, DUPLICATE, OUTLIER) if self.has_labels else ()
        return [kind for kind, found in self.findings.items() if found or kind in always]

    @property
    def has_labels(self) -> bool:
        """Whether any image has one."""
        return bool((self.table.labels != "").any())

    def in_words(self) -> list[str]:
        """A line for each of `kinds_looked_for`, and, where images have labels, for shortcuts."""
        lines = []
        for kind in self.kinds_looked_for:
            found = self.findings[kind]
            one, many = _IN_WORDS[kind]
            line = counted(len(found), one, many)
            if kind == LABEL:
                line += f"; {self.share_in_words()}"
            lines.append(line)
        if self.has_labels:
            n = len(self.shortcuts)
            lines.append(f"{counted(n, 'property', 'properties')} by which a class can be told")
        return lines

    def share_in_words(self) -> str:
        """How many labels are wrong, as far as it can be told."""
        if self.share_wrong is None:
            return "none could be judged"
        n = len(self.table)
        of = "all" if self.n_judged == n else f"the {self.n_judged:,} of {n:,} that were judged"
        return f"about {percent(self.share_wrong)} of {of} are estimated to be wrong"

    def labels_file(self, earlier: Sequence[Decision] = ()) -> bytes:
        """Every image, the most suspicious first, as a CSV file that `train --labels` reads.

        Its columns are ``key,path,label,suggested,score,kind,accept``. ``accept`` is empty:
        whoever writes yes there gives the image the suggested label.

        Parameters
        ----------
        earlier
            What a labels file decides that was laid over the table: `Relabelled.earlier`. Its rows
            say ``earlier`` in ``kind``, and those of images that are not in the table come last.
        """
        table, labels = self.table, self.table.labels.tolist()
        decided = {each.key for each in earlier if not each.undecided}
        rows = []
        for row in self.order.tolist():
            key, kind = str(table.keys[row]), self.kinds[row]
            if key in decided:
                kind = f"{kind} {EARLIER}".lstrip()
            score, suggested = f"{self.scores[row]:.4f}", self.suggested[row]
            rows.append((key, str(table.paths[row]), labels[row], suggested, score, kind, ""))
        here = {key for key, *_ in rows}
        rows += [each.suggestion for each in earlier if each.key not in here]
        return write_suggestions(rows)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "images": len(self.table),
            "classes": sorted(set(self.table.labels.tolist()) - {""}),
            "judged": self.judged.in_words,
            "images_judged": self.n_judged,
            "estimated_wrong": self.share_wrong,
            "findings": {
                kind: [self._described(each) for each in found]
                for kind, found in self.findings.items()
            },
            "shortcuts": [each._asdict() for each in self.shortcuts],
            "rejections": [
                {"path": path, "reason": reason} for path, reason in self.table.rejected
            ],
        }

    def _described(self, found: Finding) -> dict[str, Any]:
        def named(rows: tuple[int, ...]) -> list[dict[str, str]]:
            return [
                {"path": self.table.paths[row], "label": str(self.table.labels[row])}
                for row in rows
            ]

        row = found.row
        return {
            "key": str(self.table.keys[row]),
            "path": self.table.paths[row],
            "split": str(self.split.of_row[row]),
            "label": str(self.table.labels[row]),
            "suggested": found.suggested,
            "score": round(found.score, 4),
            "reason": found.reason,
            "like_its_label": named(found.of_given),
            "like_the_suggested": named(found.of_suggested),
        }


def audit(
    table: FeatureTable,
    head: HeadLike | None = None,
    *,
    n_next: int = 0,
    include_test: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Audit:
    """Look for wrong labels, duplicates, outliers and shortcuts.

    Parameters
    ----------
    table
        From `extract`. Images of an empty label have none.
    head
        What predicts the images: a head of the table's extractor, which must not have been trained
        on those whose labels it is to judge. None: logistic heads that are trained on the other
        images, in 5 folds.
    n_next
        How many images without a label to name that are best labelled next.
    include_test
        Suggest other labels for images of the test split as well. What is evaluated on them is
        no longer the same afterwards.
    seed
        Random seed.
    progress
        Show on stderr how far it is, as in `extract`.

    Raises
    ------
    UsageError
        When an argument is something else, or there is too little memory for so many images.
    ImageRejectedError, DatasetError
        When the table has no images.
    HeadMismatchError
        When the head was trained on other transfer values.

    Examples
    --------
    >>> import bottlebank as bb  # doctest: +SKIP
    >>> found = bb.audit(bb.extract("photos/"))  # doctest: +SKIP
    >>> found.findings["label"][0].suggested  # doctest: +SKIP
    'Hat'
    """
    require_table(table, "bb.audit({})")
    n_next = require_whole("n_next", n_next, 0)
    seed = require_seed("seed", seed)
    table.require_rows()
    require_room(len(table), table.recipe.width, _COPIES, "an audit")
    table.require_finite()
    labelled = np.flatnonzero(table.labels != "")
    begin = partial(Progress, show=progress)
    with begin("Looking at the images", len(table)) as bar:
        properties = properties_of(table, bar)
    with begin("Looking for images that show the same"):
        split = _split_of(table, labelled)
    # What test images are labelled must not find its way into the labels of others.
    teaching = (split.of_row != TEST) | include_test
    if not (teaching & (table.labels != "")).any():
        teaching[:] = True
    if len(labelled) or head is not None:
        judged = judge(table, head, teaching=teaching, progress=progress)
    else:
        judged = _nothing_known(table)
    with begin("Comparing each image with the others", len(table)) as bar:
        nearest = nearest_of(table.features, class_codes(table.labels), table.contents, bar)
    material = Material(table, split, judged, properties, nearest, include_test, seed)
    weighed = np.zeros(len(table), bool)
    weighed[table.weighed] = True
    fair = judged.fair & weighed
    found = suspicions(judged.probabilities, material.codes, fair)
    found = found.but_of(
        teaching, suspicions(judged.probabilities, material.codes, fair & teaching)
    )
    findings = {}
    for kind, find in FINDERS.items():
        with begin(f"Looking for {_SOUGHT[kind]}"):
            findings[kind] = find(material, found)
    findings[NEXT] = []
    if n_next:
        with begin("Choosing what to label next"):
            findings[NEXT] = next_to_label.find(material, n_next)
    with begin("Looking for shortcuts"):
        named = shortcuts.find(properties, np.where(weighed, table.labels, ""), seed)
    return _answer(material, found, findings, named)


def _answer(
    material: Material,
    found: Suspicions,
    findings: dict[str, list[Finding]],
    named: list[Shortcut],
) -> Audit:
    """Put every row in one order."""
    table, judged = material.table, material.judged
    labelled = table.labels != ""
    scores = found.score.copy()
    if judged.classes:
        unlabelled = np.flatnonzero(~labelled)
        scores[unlabelled] = next_to_label.uncertainty(judged.probabilities[unlabelled])
    suggested = [
        judged.classes[column] if column >= 0 and changes else ""
        for column, changes in zip(
            found.suggested.tolist(), material.may_change.tolist(), strict=True
        )
    ]
    kinds = [""] * len(table)
    place = np.full(len(table), len(table))
    for kind in (NEXT, OUTLIER, DUPLICATE, LABEL):  # the first of the report wins
        for each in reversed(findings.get(kind, [])):
            kinds[each.row] = kind
            if each.suggested:
                suggested[each.row] = each.suggested
            if kind == DUPLICATE and each.suggested:
                scores[each.row] = max(scores[each.row], each.score)
    for each in findings[DUPLICATE]:  # the label of an equal file says more than a prediction
        if each.suggested and each.score == EQUAL_FILES:
            kinds[each.row], suggested[each.row] = DUPLICATE, each.suggested
    for position, each in enumerate(findings[NEXT]):
        place[each.row] = position
    order = np.lexsort((-scores, place, ~labelled))
    return Audit(
        table,
        material.split,
        judged,
        findings,
        named,
        found.n_judged,
        found.n_wrong / found.n_judged if found.n_judged else None,
        order,
        scores,
        suggested,
        kinds,
    )


def _split_of(table: FeatureTable, labelled: np.ndarray) -> Split:
    """The split of the images that have a label; the others are in none."""
    if not len(labelled):
        return Split(np.full(len(table), ""), declared=False, warnings=[])
    if len(labelled) == len(table):
        return split_table(table)
    return spread(split_table(table.some(labelled)), labelled, len(table))


def _nothing_known(table: FeatureTable) -> Judged:
    n = len(table)
    return Judged(
        classes=[],
        probabilities=np.zeros((n, 0)),
        predicted=np.full(n, ""),
        confidence=np.zeros(n),
        unknown=np.zeros(n, bool),
        fair=np.zeros(n, bool),
        in_words="by nothing: no image has a label",
    )
