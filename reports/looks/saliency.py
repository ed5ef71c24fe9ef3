"""The picture of `bottlebank look saliency`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...arguments import require_path
from ...formatting import percent
from ...interpret.attribution.found import shown_values
from ...interpret.attribution.methods import (
    BLACK,
    BLURRED,
    GRADCAM,
    GREY,
    INTEGRATED,
    LOG_ODDS,
    MEAN,
    OCCLUSION,
)
from ...interpret.attribution.of_image import saliency
from ...replaceable import writing_file
from ...viz.looks.saliency import draw_saliency
from ...viz.text import before_words, shown_name
from ...viz.theme import require_theme
from ..output_paths import PICTURE, require_output

if TYPE_CHECKING:
    import os

    from ...classifier.given_head import HeadLike
    from ...interpret.attribution import Saliency

TITLES = {
    GRADCAM: "Grad-CAM",
    INTEGRATED: "integrated gradients",
    OCCLUSION: "occlusion",
}
_LEGENDS = {
    GRADCAM: "weighted maps: speaks for the class",
    INTEGRATED: "contribution of a pixel, in log-odds, smoothed",
    OCCLUSION: "fall of the {score} where hidden",
}
_BASELINES = {
    GREY: "grey",
    MEAN: "the mean colour",
    BLACK: "black",
    BLURRED: "the photograph blurred",
}


def plot_saliency(
    image: str | os.PathLike[str],
    head: HeadLike,
    output: str | os.PathLike[str],
    label: str | None = None,
    *,
    theme: str = "light",
    **settings: Any,
) -> Saliency:
    """Draw which parts of an image the probability of a class rests on.

    Parameters
    ----------
    image, head, label, settings
        As in `bottlebank.interpret.saliency`.
    output
        A ``.png`` or ``.svg`` file. Its folder is made where there is none, and a picture that
        bottlebank has drawn is replaced.
    theme
        ``light`` or ``dark``.

    Raises
    ------
    BottlebankError
        When the picture cannot be written; and as `saliency`.
    UsageError
        For another file extension, or where another file would be replaced.
    """
    path = require_path(output, "the path of a .png or .svg file")
    require_output(path, PICTURE, [str(image)])
    chosen_theme = require_theme(theme)
    found = saliency(image, head, label, **settings)
    with writing_file(path):
        draw_saliency(
            found.photograph,
            found.shown,
            found.window,
            path,
            f"{_name(found.label)}, {percent(found.probability)}"
            f"{', called unknown' if found.unknown else ''}: {_name(Path(image).name)}",
            _LEGENDS[found.method].format(**found.settings),
            [_about_method(found), _about_check(found)],
            signed=found.method != GRADCAM,
            permuted=None if found.permuted is None else shown_values(found.method, found.permuted),
            permuted_caption=""
            if found.sanity is None
            else (
                f"random weights, {_scale_of_permuted(found)}: "
                f"rank correlation {sanity_in_words(found)}"
            ),
            theme=chosen_theme,
        )
    return found


def _scale_of_permuted(found: Saliency) -> str:
    permuted = found.permuted
    if found.method == GRADCAM and permuted is not None and not permuted.max() > 0:
        return "with which nothing speaks for the class here"
    score = "log-odds, " if found.settings.get("score", LOG_ODDS) != LOG_ODDS else ""
    return f"{score}on a scale of their own"


def _name(text: str) -> str:
    return before_words(shown_name(text))


def _about_method(found: Saliency) -> str:
    settings = found.settings
    details = {
        GRADCAM: lambda: f"layer {settings['layer']}",
        INTEGRATED: lambda: (
            f"from {_BASELINES[settings['baseline']]} in {settings['steps']} steps, whose sum "
            f"misses the difference of the log-odds, {settings['score_difference']:+.3g}, by "
            f"{settings['completeness_miss']:.2g}"
        ),
        OCCLUSION: lambda: (
            f"{settings['score']}, {_parts(settings)}, filled with "
            f"{_BASELINES[settings['baseline']]}"
        ),
    }[found.method]()
    said = "" if found.label == found.predicted else f"; predicted is {_name(found.predicted)}"
    network = f"{found.extractor}, {found.engine}"
    by = f"by {TITLES[found.method]} ({details}; {network})"
    colours = "" if found.method == GRADCAM else " Red speaks for the class, blue against it."
    what = "What" if found.maximum is not None else "Nothing in the photograph"
    return f"{what} speaks for {_name(found.label)}, {by}{said}.{colours}"


def _parts(settings: dict[str, Any]) -> str:
    if "segments" in settings:
        return f"{settings['segments']} segments of like colour"
    return (
        f"patches of {settings['patch_px']} px of the network's input, {settings['stride_px']} px "
        "apart"
    )


def _about_check(found: Saliency) -> str:
    if found.sanity is None:
        return f"No check with random weights: {found.sanity_note}."
    text = (
        "A map that explains the network is another one when the weights are random: a rank "
        "correlation near 1 would say that it shows the image alone"
    )
    if found.sanity_of_sizes is None:
        return f"{text}."
    return f"{text}. That of sizes leaves out the signs: how alike both look."


def sanity_in_words(found: Saliency) -> str:
    """The rank correlation with maps of random weights, and that without signs."""
    text = f"{found.sanity:.2f}"
    if len(found.sanity_each) > 1:
        least, most = min(found.sanity_each), max(found.sanity_each)
        text += f" (mean of {len(found.sanity_each)}: {least:.2f} to {most:.2f})"
    if found.sanity_of_sizes is not None:
        text += f", of sizes {found.sanity_of_sizes:.2f}"
    return text
