"""What speaks for the class that an image was taken for, and for that of its label: small maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import require_one_of
from ..errors import ImageRejectedError
from ..features.engines.registry import AUTO
from ..features.images.decoder import NO_LIMITS
from ..formatting import counted
from ..interpret.attribution.methods import GRADCAM, METHODS, OCCLUSION
from ..interpret.attribution.opening import open_explainer
from ..progress import Progress
from ..untrusted.terminal import shown
from ..viz.looks.overlay import overlaid, shades_of
from .looks.saliency import TITLES
from .thumbnails import extracted_bytes

if TYPE_CHECKING:
    import os

    from ..classifier.given_head import HeadLike
    from ..extraction import FeatureTable
    from ..interpret.attribution import Explainer, Saliency

_NAME = "the image"


class MapOfClass(NamedTuple):
    """A photograph, small and grey, and over it what speaks for a class."""

    label: str
    pixels: np.ndarray
    """uint8, (height, width, 3), RGB, 0-255."""
    in_words: str
    """What is to be seen."""


class MistakeMaps(NamedTuple):
    """Of one image."""

    of_classes: tuple[MapOfClass, ...]
    """Of the class that it was taken for; by Grad-CAM also of its label."""
    note: str
    """Why there is none, or what is to be known of them; mostly empty."""


def open_for_mistakes(
    head: HeadLike,
    method: str,
    *,
    cache: str | os.PathLike[str] | None = None,
    engine: str = AUTO,
    precision: str = AUTO,
    progress: bool | None = None,
    **loading: Any,
) -> Explainer:
    """What explains the mistakes of a head.

    Parameters
    ----------
    head
        A head file; or what `train_head` or `load_head` returns.
    method
        Of `interpret.saliency`.
    cache, engine, precision, **loading
        As in `load_predictor`. What follows gradients computes in float32.
    progress
        As in `extract`.

    Raises
    ------
    ParameterError
        For another method.
    UsageError, EngineError, HeadFileError, WeightsNotFoundError
        As `interpret.saliency`.
    """
    if require_one_of("saliency", method, METHODS) == OCCLUSION:
        loading["precision"] = precision
    with Progress("Opening the network", show=progress):
        return open_explainer(
            head,
            method=method,
            sanity=False,
            engine=engine,
            cache=cache,
            # As for thumbnails: what has a row was let in when it was extracted.
            max_pixels=NO_LIMITS.pixels,
            progress=False,
            **loading,
        )


def maps_of_mistake(
    explainer: Explainer, table: FeatureTable, row: int, taken_for: str, side_px: int
) -> MistakeMaps:
    """The maps of one image, whose sides are `side_px` at most.

    Those of two classes have one scale, so that one in which nothing is to be seen says that little
    speaks for its class. There is none of an image that has gone, or whose file has another
    content, since it was extracted.
    """
    label = str(table.labels[row])
    classes = [taken_for]
    # The other methods take as long again for another class.
    if explainer.method == GRADCAM and label in explainer.classes and label != taken_for:
        classes.append(label)
    try:
        data = extracted_bytes(table, row)
        found = [explainer(data, each, _NAME) for each in classes]
    except ImageRejectedError as error:
        return MistakeMaps((), f"no map: {shown(str(error).removeprefix(f'{_NAME}: '))}")
    values = [each.shown for each in found]
    if not all(np.isfinite(each).all() for each in values):
        return MistakeMaps((), "no map: what the network answers is not finite")
    shades = shades_of(*values, signed=explainer.method != GRADCAM)
    maps = [
        MapOfClass(
            each.label,
            overlaid(each.photograph, its, each.window, shades, side_px),
            _in_words(each),
        )
        for each, its in zip(found, values, strict=True)
    ]
    itself = found[0].predicted
    note = "" if itself == taken_for else f"the head itself takes it for {shown(itself)}"
    return MistakeMaps(tuple(maps), note)


def _in_words(found: Saliency) -> str:
    label, place = shown(found.label), found.maximum
    if place is None:
        return f"nothing speaks for {label}"
    x, y = (f"{round(100 * share)} %" for share in place)
    return f"what speaks for {label}, most of all at {x} from the left and {y} from the top"


def _by(explainer: Explainer) -> str:
    return f"by {TITLES[explainer.method]} ({explainer.recipe.extractor}, {explainer.engine})"


def maps_in_words(explainer: Explainer) -> str:
    """By which method and which network, and what the colours mean."""
    by = _by(explainer)
    if explainer.method == GRADCAM:
        return f"{by}: the brighter, the more; both maps of an image have one scale"
    return f"{by}: red speaks for the class, blue against it"


def about_maps(explainer: Explainer, n_explained: int, n_without: int) -> str:
    """What the reader of a page has to know of them.

    Parameters
    ----------
    explainer
        From `open_for_mistakes`.
    n_explained, n_without
        Images that maps were made of, and those of them that have none.
    """
    by = _by(explainer)
    first = (
        "the most confident" if n_explained == 1 else f"each of the {n_explained} most confident"
    )
    if explainer.method == GRADCAM:
        text = (
            f"Beside {first} stands, {by}, what speaks for the class that it was taken for, and "
            f"for that of its label: the brighter, the more. Both maps of an image have one scale: "
            f"where one is without colours, little speaks for its class."
        )
    else:
        text = (
            f"Beside {first} stands, {by}, what speaks for the class that it was taken for, in "
            f"red, and against it, in blue."
        )
    if n_without:
        says = "says" if n_without == 1 else "say"
        text += f" There is no map of {counted(n_without, 'image')}, which {says} why."
    return text
