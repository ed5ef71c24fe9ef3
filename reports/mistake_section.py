"""The mistakes of a head: thumbnails with the paths of their files, and a picture of the first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..formatting import counted
from ..progress import Progress
from ..untrusted.terminal import shown
from ..viz import draw_mistakes
from ..viz.report import MapPicture, Mistake, Section
from .problem_tables import shown_within
from .thumbnails import as_webp, thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..extraction import FeatureTable
    from ..interpret.attribution import Explainer
    from ..training.evaluate import SplitEvaluation

MOST_ON_A_PAGE = 200
MOST_EXPLAINED = 20
_MOST_IN_A_PICTURE = 20
_THUMBNAIL_PX = 240


def mistake_section(
    folder: Path,
    title: str,
    source: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    explainer: Explainer | None = None,
) -> Section:
    """The mistakes of a page, the most confident first; draw the first of them into `folder`.

    Paths are read from the root of `source` on, where they lead into it. With an explainer, what
    speaks for the answer stands beside the first of them.
    """
    probabilities = evaluated.answer.probabilities
    predicted = np.array(head.classes)[probabilities.argmax(axis=1)]
    wrong = np.flatnonzero(predicted != table.labels[evaluated.rows])
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    listed, thumbnails, captions = [], [], []
    for number in surest[:MOST_ON_A_PAGE].tolist():
        row = int(evaluated.rows[number])
        label, taken_for = shown(str(table.labels[row])), shown(str(predicted[number]))
        share = float(probabilities[number].max())
        pixels = thumbnail(table, row, _THUMBNAIL_PX)
        root, path = _places(source, table.paths[row])
        listed.append(
            Mistake(
                label,
                taken_for,
                f"{100 * share:.1f} %",
                path,
                root,
                Path(os.path.abspath(table.paths[row])).as_uri(),  # noqa: PTH100 (no link followed)
                None if pixels is None else as_webp(pixels),
            )
        )
        if pixels is not None and len(captions) < _MOST_IN_A_PICTURE:
            thumbnails.append(pixels)
            captions.append((label, taken_for, share, path))
    draw_mistakes(
        thumbnails, captions, folder / "mistakes.png", f"{title}: the most confident mistakes"
    )
    text = _text(len(wrong))
    if explainer is not None and listed:
        from .mistake_maps import about_maps

        rows = evaluated.rows[surest[:MOST_EXPLAINED]]
        classes = predicted[surest[:MOST_EXPLAINED]]
        explained = _explained(listed, explainer, table, rows.tolist(), classes.tolist())
        n_without = sum(not mistake.maps for mistake in explained)
        text += f"\n\n{about_maps(explainer, len(explained), n_without)}"
        text += _about_others(head, evaluated)
        listed = [*explained, *listed[len(explained) :]]
    return Section(_title(len(wrong), len(listed)), text, mistakes=listed)


def _explained(
    mistakes: Sequence[Mistake],
    explainer: Explainer,
    table: FeatureTable,
    rows: Sequence[int],
    taken_for: Sequence[str],
) -> list[Mistake]:
    """The mistakes of these rows, with their maps."""
    from .mistake_maps import maps_of_mistake

    found = []
    with Progress("Explaining mistakes", len(rows)) as bar:
        for mistake, row, predicted in zip(mistakes, rows, taken_for, strict=False):
            maps = maps_of_mistake(explainer, table, row, predicted, _THUMBNAIL_PX)
            pictures = [
                MapPicture(shown(each.label), as_webp(each.pixels), each.in_words)
                for each in maps.of_classes
            ]
            found.append(mistake._replace(maps=pictures, note=maps.note))
            bar.update()
    return found


def _about_others(head: Head, evaluated: SplitEvaluation) -> str:
    """Where it is not what the maps are of that has made the mistakes."""
    if evaluated.cross_validated is not None:
        return (
            " The mistakes are those of heads that have not seen the image; the maps are of this "
            "head, which may have been trained on it."
        )
    if evaluated.without_views is not None:
        return " The maps are of the image alone, without its views."
    return ""


def _title(n_mistakes: int, n_listed: int) -> str:
    if n_listed < n_mistakes:
        most = "most confident" if n_listed == 1 else f"{n_listed} most confident"
        return f"The {most} of {n_mistakes:,} mistakes"
    return counted(n_mistakes, "mistake") if n_mistakes else "No mistakes"


def _text(n_mistakes: int) -> str:
    if not n_mistakes:
        return "Every image was taken for what its label says."
    text = (
        "The most confident first: an image with a wrong label, or one that shows two things, "
        "stands out as a confident mistake. The label stands above, what the image was taken for "
        "below it. An image leads to its file; a click on a path selects all of it, to be copied."
    )
    if n_mistakes > MOST_ON_A_PAGE:
        n_others = n_mistakes - MOST_ON_A_PAGE
        others = "one is" if n_others == 1 else f"{n_others:,} are"
        text += f" The other {others} listed in evaluation.json."
    return text


def _places(source: str, path: str) -> tuple[str, str]:
    """What stands before the root of the dataset, and the path from there."""
    whole, inside = shown(os.path.abspath(path)), shown_within(source, path)  # noqa: PTH100
    return (whole.removesuffix(inside), inside) if whole.endswith(f"/{inside}") else ("", whole)
