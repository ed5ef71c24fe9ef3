"""The picture of `bottlebank look features`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...formatting import counted
from ...replaceable import writing_file
from ...viz.looks.feature_maps import DrawnLayer, DrawnUnit, draw_feature_maps
from ...viz.text import shown_name
from ...viz.theme import require_theme
from ..output_paths import PICTURE, require_output
from ..thumbnails import thumbnail

if TYPE_CHECKING:
    import os

    from ...extraction import FeatureTable
    from ...interpret.feature_maps import FeatureMaps, LayerSeen, UnitSeen

_SIDE_PX = 160


def draw_features(
    seen: FeatureMaps,
    output: str | os.PathLike[str],
    *,
    table: FeatureTable | None = None,
    theme: str = "light",
) -> str:
    """Draw what `interpret.features` returns, and return the caption.

    Parameters
    ----------
    seen
        What is drawn.
    output
        A ``.png`` or ``.svg`` file. Its folder is made where there is none, and a picture that
        bottlebank has drawn is replaced.
    table
        The one that `seen` was compared with; None: none.
    theme
        ``light`` or ``dark``.

    Raises
    ------
    BottlebankError
        When the picture cannot be written.
    UsageError
        For another file extension, or where another file would be replaced.
    """
    path = require_output(output, PICTURE, [seen.path])
    chosen = require_theme(theme)
    layers = [
        DrawnLayer(_named(layer), [_drawn(unit, table) for unit in layer.units])
        for layer in seen.layers
    ]
    caption = _caption(seen)
    title = f"{shown_name(Path(seen.path).name)}: the strongest units in {seen.extractor}"
    with writing_file(path):
        draw_feature_maps(seen.pixels, layers, path, title, caption, theme=chosen)
    return caption


def _named(layer: LayerSeen) -> str:
    shape = " × ".join("any" if side is None else str(side) for side in layer.shape)
    return f"{layer.name} ({shape})"


def _drawn(unit: UnitSeen, table: FeatureTable | None) -> DrawnUnit:
    found = (
        [] if table is None else [thumbnail(table, each.row, _SIDE_PX) for each in unit.photographs]
    )
    words = f"{unit.activation:.3g}"
    if unit.deviations is not None:
        words += f", {unit.deviations:+.1f} deviations"
    if unit.photographs:
        most, least = unit.photographs[0].activation, unit.photographs[-1].activation
        to = f" to {least:.2g}" if len(unit.photographs) > 1 else ""
        words += f"; photographs: {most:.2g}{to}"
    return DrawnUnit(unit.number, words, unit.values, [each for each in found if each is not None])


def _caption(seen: FeatureMaps) -> str:
    compared = {layer.n_photographs for layer in seen.layers} - {0}
    if not compared:
        return (
            "The units of the greatest activation, which is the mean over the map; maps are dark "
            "where it is least. With a dataset, units are compared with its photographs."
        )
    n = max(compared)
    of = counted(n, "photograph")
    if len(compared) > 1:
        names = [layer.name for layer in seen.layers if layer.n_photographs == n]
        of = (
            f"photographs (of all {n:,} for {', '.join(names)}, of {min(compared):,} of them, "
            f"drawn at random, for other layers)"
        )
    return (
        f"The units whose activation (of a map, the mean) is the most standard deviations above "
        f"the mean of {of}, and beside each those that excite it most, and how much they do. Maps "
        f"are dark where it is least."
    )
