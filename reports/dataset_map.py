"""Drawing what was extracted: where extraction and the pictures meet."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import require_path
from ..classifier.given_head import as_head
from ..errors import UsageError
from ..extraction import FeatureTable, extract
from ..features import DEFAULT_EXTRACTOR
from ..formatting import counted
from ..replaceable import writing_file
from ..viz import Embedding, require_picture_path
from ..viz.colourings import require_looks
from ..viz.map_settings import require_layout
from ..viz.theme import require_theme
from .dataset_views.kinds import MAP, require_kind
from .dataset_views.view import View, plot_view
from .explorer.explore import explainer_for, explore, require_budget
from .layouts import lay_out
from .map_colouring import colouring_of
from .map_formats.laid_out import LaidOut
from .map_formats.output import require_map_output, require_no_looks, write_map
from .notebook_pictures import name_of, png_of, svg_of
from .output_paths import EXPLORER, map_kind, require_output
from .sprites import DEFAULT_BUDGET_MB
from .thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..classifier.given_head import HeadLike
    from ..datasets import Dataset
    from ..datasets.labels_file import Decision
    from ..interpret.attribution import Explainer

_THUMBNAIL_PX = 64
_LOADING = ("cache", "engine", "precision", "weights")
"""Of an extraction: what counts too where the network is opened to be explained."""


class Plot(NamedTuple):
    """A map that was drawn. Notebooks show the picture."""

    path: Path
    """Of the picture."""
    embedding: Embedding
    """The points, in the order of the images, and how they were placed."""

    def __repr__(self) -> str:
        points = len(self.embedding.points)
        return f"<Plot {self.path}: {counted(points, 'image')}, {self.embedding.caption}>"

    def _repr_png_(self) -> bytes | None:
        return png_of(self.path)

    def _repr_svg_(self) -> str | None:
        return svg_of(self.path)


def plot(
    data: FeatureTable | Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    kind: str = MAP,
    method: str = "pca",
    random_state: int = 0,
    dimensions: int = 2,
    perplexity: float | None = None,
    neighbors: int | None = None,
    fresh: bool = False,
    title: str | None = None,
    color: str = "label",
    head: HeadLike | None = None,
    saliency: str | Explainer | None = None,
    scores: Mapping[bytes, float] | None = None,
    earlier: Sequence[Decision] = (),
    thumbnails: bool = False,
    theme: str = "light",
    thumbnail_budget: float = DEFAULT_BUDGET_MB,
    format: str | None = None,
    progress: bool | None = None,
    **extraction: Any,
) -> Plot | View:
    """Draw a map on which images with similar transfer values lie together, or another picture.

    Parameters
    ----------
    data
        A table from `extract`; or what `extract` takes.
    output
        A ``.png`` or ``.svg`` file, or an ``.html`` file for the explorer: a page to look through
        the images, label them and download the labels. Its folder is made where there is none, and
        a picture or page of bottlebank is replaced.
    kind
        ``map``; or a picture of the dataset: ``samples``, photographs of each class; ``balance``,
        images per class and split; ``sizes``, width, height, bytes and formats; ``units``, transfer
        values that tell classes apart. Of the other parameters, these have `random_state`, `title`,
        `theme` and `progress`, and units those of an extraction; the others extract nothing.
    method
        ``pca`` (instant), ``tsne`` or ``umap``; see `bottlebank.viz.reduce`.
    random_state
        0 to 2**32 - 1.
    dimensions
        2; or 3, of which the explorer shows the first two.
    perplexity, neighbors
        Of t-SNE, and of UMAP; see `bottlebank.viz.reduce`.
    fresh
        Lay all images out anew; otherwise a map that the cache has of most of them is taken, and
        new images are placed on it without moving the others.
    title
        Above the map; None names the data and the extractor.
    color
        Of a picture: ``label``; ``prediction``, ``mistake`` or ``confidence``; or ``split``.
    head
        Predicts, for the explorer and for the colours that need it; None: each image is predicted
        by a head that has not seen it.
    saliency
        In the explorer, of `head`: ``gradcam``, ``integrated-gradients`` or ``occlusion``, as in
        `interpret.saliency`, or what `open_explainer` has opened. Its 50 most confident mistakes
        have maps of what speaks for the class that they were taken for.
    thumbnails
        In a picture: draw the images themselves, small, over as many of the points as there is room
        for.
    theme
        Of a picture: ``light`` or ``dark``.
    scores
        In the explorer: how suspicious an audit found images, by the SHA-256 of their bytes.
    earlier
        In the explorer: what a labels file decides that was laid over the table, as
        `extraction.relabelling.relabel` gives it; the labels that are downloaded repeat it.
    thumbnail_budget
        In the explorer: megabytes that all thumbnails may take, 0 for none.
    format
        None for a picture or the explorer, by the extension. Or that of another program:
        ``csv`` or ``parquet``, a file of coordinates with paths, labels and keys; ``projector``, a
        folder for TensorBoard's Embedding Projector; ``fiftyone``, a folder that FiftyOne imports.
    progress
        Show progress on stderr, as in `extract`.
    **extraction
        `extractor` and the other parameters of `extract`, where `data` is not a table.

    Returns
    -------
    Plot or View
        The path, and the points of a map or the caption of another picture.

    Raises
    ------
    BottlebankError
        When it cannot be written.
    LibraryNotFoundError
        When a library is missing that the format needs, with what to install.
    UsageError
        For another file extension or method, fewer than two images, parameters of an extraction
        beside a table, or where another file would be replaced.
    ImageRejectedError
        When every image is rejected.
    """
    if require_kind(kind) != MAP:
        looks = {"title": title, "theme": theme, "random_state": random_state}
        return plot_view(data, output, kind, **looks, progress=progress, **extraction)
    wanted = "the path of a .png, .svg or .html file"
    path = require_path(output, wanted, "bb.plot(table, 'map.png')")
    is_page = format is None and path.suffix.lower() in EXPLORER.suffixes
    if format is not None:
        path = require_map_output(format, path)
    else:
        if not is_page:
            require_picture_path(path)
        require_output(path, map_kind(path))
    thumbnail_budget = require_budget(thumbnail_budget)
    head = None if head is None else as_head(head)
    settings: dict[str, Any] = {
        "method": method,
        "random_state": random_state,
        "dimensions": dimensions,
        "perplexity": perplexity,
        "neighbors": neighbors,
    }
    require_layout(**settings)
    chosen_theme = require_theme(theme)
    require_looks(color, theme, head, is_page=is_page)
    if format is not None:
        require_no_looks(format, color, theme, thumbnails=thumbnails)
    if isinstance(data, FeatureTable):
        if extraction:
            raise UsageError(
                f"{', '.join(extraction)} cannot be chosen for a table, which is extracted already"
            )
        table, name = data, ""
        explainer = explainer_for(
            saliency, head, cache=table.report.cache, progress=progress, is_page=is_page
        )
    else:
        loading = {each: extraction[each] for each in _LOADING if each in extraction}
        explainer = explainer_for(saliency, head, **loading, progress=progress, is_page=is_page)
        extractor = extraction.pop("extractor", DEFAULT_EXTRACTOR)
        table = extract(data, extractor, progress=progress, **extraction)
        name = name_of(data)
    table.require_rows()
    _require_no_image(path, table)
    embedding = lay_out(table, **settings, fresh=fresh, progress=progress)
    if format is not None:
        write_map(LaidOut(table, embedding, progress), format, path)
        return Plot(path, embedding)
    if title is None:
        about = f"({table.report.extractor})"
        title = f"{name or counted(len(table), 'image')} {about}"
    with writing_file(path):
        if is_page:
            given = {"head": head, "scores": scores, "earlier": earlier, "explainer": explainer}
            given["thumbnail_budget"] = thumbnail_budget
            explore(table, embedding, path, title=title, progress=progress, **given)
            return Plot(path, embedding)
        from ..viz import draw_map  # and matplotlib, which a page does without

        colouring = colouring_of(table, color, head, progress=progress)
        shown = partial(thumbnail, table, side_px=_THUMBNAIL_PX) if thumbnails else None
        looks = {"colouring": colouring, "theme": chosen_theme}
        draw_map(embedding, table.labels.tolist(), path, title, shown, **looks)
    return Plot(path, embedding)


def _require_no_image(output: Path, table: FeatureTable) -> None:
    if not os.path.exists(output):  # noqa: PTH110 (False where a name is too long)
        return
    status = output.stat()
    for image in table.paths:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(image), status):  # noqa: PTH116 (any bytes in names)
                raise UsageError(f"{output} is one of the images: name another file for the map")
