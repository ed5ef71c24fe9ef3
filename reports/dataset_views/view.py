"""Drawing a picture of a dataset that is no map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...arguments import require_path, require_seed
from ...datasets.dataset import as_dataset
from ...errors import DatasetError, UsageError
from ...extraction import FeatureTable, extract
from ...features import DEFAULT_EXTRACTOR
from ...formatting import counted
from ...replaceable import writing_file
from ...viz import require_picture_path
from ...viz.theme import Theme, require_theme
from ..notebook_pictures import name_of, png_of, svg_of
from ..output_paths import PICTURE, require_no_image_of, require_output
from .kinds import MAP, require_kind

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from ...datasets import Dataset


class View(NamedTuple):
    """A picture of a dataset. Notebooks show it."""

    path: Path
    kind: str
    """One of `KINDS`."""
    caption: str
    n_images: int

    def __repr__(self) -> str:
        return f"<View {self.path}: {self.kind}, {self.caption}>"

    def _repr_png_(self) -> bytes | None:
        return png_of(self.path)

    def _repr_svg_(self) -> str | None:
        return svg_of(self.path)


def plot_view(
    data: FeatureTable | Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    kind: str,
    *,
    title: str | None = None,
    theme: str = "light",
    random_state: int = 0,
    progress: bool | None = None,
    **extraction: Any,
) -> View:
    """Draw samples, balance, sizes or units of a dataset; parameters are those of `plot`.

    Raises
    ------
    UsageError
        For another kind, or units of fewer than two classes.
    DatasetError
        When no image has a header that can be read.
    """
    path = require_path(output, "the path of a .png or .svg file")
    require_picture_path(path)
    require_output(path, PICTURE)
    if require_kind(kind) == MAP:
        raise UsageError("a map is drawn by plot")
    chosen, seed = require_theme(theme), require_seed("random_state", random_state)
    if kind == "units" and not isinstance(data, FeatureTable):
        extractor = extraction.pop("extractor", DEFAULT_EXTRACTOR)
        table = extract(data, extractor, progress=progress, **extraction)
        return _drawn(path, kind, table, title or name_of(data), chosen, seed, progress)
    if extraction:
        raise UsageError(
            f"{', '.join(extraction)}: no transfer values are extracted for {kind}, or they are "
            f"already: leave it out"
        )
    if not isinstance(data, FeatureTable):
        title = title or name_of(data)
        data = as_dataset(data)
        require_no_image_of(path, data)
    return _drawn(path, kind, data, title or "", chosen, seed, progress)


def _drawn(
    path: Path,
    kind: str,
    data: FeatureTable | Dataset,
    title: str,
    theme: Theme,
    seed: int,
    progress: bool | None,
) -> View:
    if not len(data):
        raise DatasetError("there are no images to draw")
    from .balance import balance
    from .samples import samples
    from .sizes import sizes
    from .units import units

    title = f"{title or counted(len(data), 'image')}: {kind}"
    with writing_file(path):
        if kind == "balance":
            caption = balance(data, path, title, theme)
        elif kind == "sizes":
            caption = sizes(data, path, title, theme, progress)
        elif kind == "samples":
            caption = samples(data, path, title, theme, seed, progress)
        elif isinstance(data, FeatureTable):
            data.require_rows()
            caption = units(data, path, title, theme)
        else:
            raise UsageError("units need transfer values: a table from bb.extract")
    return View(path, kind, caption, len(data))
