"""From a table and its layout to the explorer of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...arguments import require_number
from ...cache import CacheFolder
from ...errors import UsageError, in_brief
from ..sprites import DEFAULT_BUDGET_MB, make_sprites
from .of_table import points_of
from .page import MOST_IN_PAGE, require_sheets_folder, sheets_folder, write_explorer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...classifier.given_head import HeadLike
    from ...datasets.labels_file import Decision
    from ...extraction import FeatureTable
    from ...interpret.attribution import Explainer
    from ...viz import Embedding

_BYTES_IN_PAGE = 4 / 3
"""That a byte takes in base64."""


def explore(
    table: FeatureTable,
    embedding: Embedding,
    output: Path,
    *,
    title: str,
    head: HeadLike | None = None,
    scores: Mapping[bytes, float] | None = None,
    earlier: Sequence[Decision] = (),
    explainer: Explainer | None = None,
    thumbnail_budget: float = DEFAULT_BUDGET_MB,
    progress: bool | None = None,
) -> list[Path]:
    """Write the explorer of a table's images, laid out as in `embedding`.

    Parameters
    ----------
    table
        From `extract`.
    embedding
        Where its images lie on the map; of three dimensions, the first two are drawn.
    output
        An ``.html`` file.
    title
        Above the map.
    head
        Whose predictions are shown; None: those of heads that have not seen the image.
    scores
        Of an audit, by the SHA-256 of an image's bytes: how suspicious it is.
    earlier
        What a labels file decides that was laid over the table: downloads repeat it.
    explainer
        Of this head, from `mistake_maps.open_for_mistakes`: its worst mistakes have maps. None:
        they have none.
    thumbnail_budget
        Megabytes that all thumbnails may take; they are as large as fits, up to 128 px. 0: none.
    progress
        Show progress on stderr, as in `extract`.

    Returns
    -------
    list of Path
        What was written: the page, and of very many images a folder with their thumbnails.

    Raises
    ------
    UsageError
        When the folder for the thumbnails holds something else.
    """
    in_page = len(table) <= MOST_IN_PAGE
    if not in_page:
        require_sheets_folder(sheets_folder(output))
    about = {"head": head, "scores": scores, "earlier": earlier}
    points = points_of(table, embedding.points[:, :2], output, **about, progress=progress)
    if explainer is not None:
        from .explained import explained_of

        found = explained_of(table, points, explainer, progress=progress)
        points = replace(points, explained=found)
    sprites = None
    if thumbnail_budget > 0:
        with CacheFolder(table.report.cache) as folder:
            kept_in = folder.root
        budget_bytes = 1e6 * thumbnail_budget / (_BYTES_IN_PAGE if in_page else 1)
        sprites = make_sprites(table, budget_bytes, kept_in=kept_in, progress=progress)
    return write_explorer(
        points,
        output,
        title=title,
        caption=embedding.caption,
        sprites=sprites,
    )


def require_budget(value: object) -> float:
    """Megabytes for thumbnails, 0 or more.

    Raises
    ------
    UsageError
        When it is anything else.
    """
    wanted = "megabytes for all thumbnails, 0 for none"
    return require_number("thumbnail_budget", value, wanted, -math.ulp(0), math.inf)


def explainer_for(
    saliency: str | Explainer | None, head: HeadLike | None, *, is_page: bool, **loading: Any
) -> Explainer | None:
    """What explains the mistakes of a head in the explorer; None where nothing is to.

    `loading` is as in `mistake_maps.open_for_mistakes`.

    Raises
    ------
    UsageError
        When there is no head, or what is written is not the explorer; and as there.
    """
    if saliency is None:
        return None
    if not is_page:
        raise UsageError("saliency is shown in the explorer: name an .html file, or leave it out")
    if head is None:
        raise UsageError("saliency is of the mistakes of a head: name the head, or leave it out")
    from ...classifier.given_head import as_head
    from ...interpret.attribution.explainer import Explainer
    from ..mistake_maps import open_for_mistakes

    if isinstance(saliency, Explainer):
        classes = as_head(head).classes
        if saliency.classes != classes:
            its, own = (in_brief(", ".join(names)) for names in (saliency.classes, classes))
            raise UsageError(
                f"saliency was opened for a head of {its}, and this one is of {own}: open it for "
                f"the same head"
            )
        return saliency
    return open_for_mistakes(head, saliency, **loading)
