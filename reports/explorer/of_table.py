"""The points of a table: what is known of its images, gathered for a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from ...cache import KeyArray
from ...datasets.labels_file import escaped
from .nearest import nearest_of
from .points import NO_LABEL, Points, Predicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...classifier.given_head import HeadLike
    from ...datasets.labels_file import Decision
    from ...extraction import FeatureTable

_N_TOP = 3


def points_of(
    table: FeatureTable,
    places: np.ndarray,
    output: Path,
    *,
    head: HeadLike | None = None,
    scores: Mapping[bytes, float] | None = None,
    earlier: Sequence[Decision] = (),
    progress: bool | None = None,
) -> Points:
    """The points of a table at these places, float (n, 2).

    Images are linked to from `output`, the page, as files that stay where they are beside it.
    `scores` are those of an audit by content, and `earlier` is what a labels file decides that was
    laid over the table. Without a head, and with fewer than two classes,
    nothing is predicted.
    """
    names = [escaped(name) for name in table.labels.tolist()]
    classes = sorted({name for name in names if name})
    predicted = None
    if head is not None or len(classes) > 1:
        predicted, classes = _predicted(table, classes, head, progress)
    code_of = {name: code for code, name in enumerate(classes)}
    root, paths = _below_one_folder(table.paths)
    link, odd_links = _links(root, paths, output)
    return Points(
        places=places,
        classes=classes,
        labels=np.array([code_of.get(name, NO_LABEL) for name in names]),
        paths=paths,
        keys=KeyArray.of(table.keys).contents,
        root=root,
        link=link,
        odd_links=odd_links,
        splits=[split or "" for split in table.splits] if any(table.splits) else None,
        predicted=predicted,
        score=_score(table, scores or {}),
        nearest=nearest_of(table.features, progress=progress),
        earlier=earlier,
    )


def _predicted(
    table: FeatureTable, classes: list[str], head: HeadLike | None, progress: bool | None
) -> tuple[Predicted, list[str]]:
    """Predictions, and all classes with those that the head has besides."""
    from ...training.judged import judge

    judged = judge(table, head, progress=progress)
    theirs = [escaped(name) for name in judged.classes]
    classes = sorted({*classes, *theirs})
    code_of = {name: code for code, name in enumerate(classes)}
    codes = np.array([code_of[name] for name in theirs])
    shares = judged.probabilities
    top = np.argsort(-shares, axis=1, kind="stable")[:, :_N_TOP]
    predicted = Predicted(
        codes=codes[top[:, 0]],
        confidence=np.take_along_axis(shares, top[:, :1], axis=1)[:, 0],
        unknown=judged.unknown if head is not None else None,
        top_codes=codes[top],
        top_shares=np.take_along_axis(shares, top, axis=1),
        in_words=judged.in_words,
        fair=judged.fair,
    )
    return predicted, classes


def _below_one_folder(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The folder that all paths have in common, ending in ``/`` or empty, and what follows it."""
    first, last = min(paths), max(paths)
    shared = os.path.commonprefix([first, last])  # noqa: RUF071 (cut at a / below)
    root = shared[: shared.rfind("/") + 1]
    return root, [path[len(root) :] for path in paths]


def _links(root: str, paths: Sequence[str], output: Path) -> tuple[str, dict[int, str]]:
    """The address of `root` from where the page is, and of names that are not UTF-8."""
    start = os.path.realpath(output.parent)
    relative = os.path.relpath(os.path.realpath(root or "."), start)
    link = quote(os.fsencode(f"./{relative}/"), safe="/")
    odd = {
        row: quote(os.fsencode(path), safe="/")
        for row, path in enumerate(paths)
        if escaped(path) != path
    }
    return link, odd


def _score(table: FeatureTable, scores: Mapping[bytes, float]) -> np.ndarray | None:
    """float, (n,), NaN where there is none; None where none has any."""
    found = np.array([scores.get(content, np.nan) for content in table.contents], np.float64)
    found[~np.isfinite(found)] = np.nan
    return None if np.isnan(found).all() else found
