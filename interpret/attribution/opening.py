"""Opening the explainer of a method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...arguments import require_one_of, require_seed, require_whole
from ...classifier.given_head import as_head
from ...errors import ParameterError
from ...features.engines.registry import AUTO, REFERENCE
from ...features.images.decoder import MAX_PIXELS, require_max_pixels
from ...progress import Progress
from ..opening import open_for_head, require_image_itself
from .integrated import MOST_STEPS
from .methods import (
    BASELINES,
    GRADCAM,
    GREY,
    INTEGRATED,
    LOG_ODDS,
    METHODS,
    OCCLUSION,
    SCORES,
)
from .parts import patches_for, segments_for
from .sanity import NOT_WANTED

if TYPE_CHECKING:
    from ...classifier.given_head import HeadLike
    from .explainer import Explainer

_NO_GRADIENTS = (
    "occlusion on the engine {} cannot exchange weights; --engine tensorflow can, where it "
    "runs the network"
)


def open_explainer(
    head: HeadLike,
    *,
    method: str = GRADCAM,
    layer: str | None = None,
    baseline: str | None = None,
    score: str | None = None,
    patch_px: int | None = None,
    stride_px: int | None = None,
    segments: int | None = None,
    most_steps: int | None = None,
    sanity: bool = True,
    random_state: int = 0,
    engine: str = AUTO,
    max_pixels: int = MAX_PIXELS,
    progress: bool | None = None,
    **loading: Any,
) -> Explainer:
    """What `saliency` opens, to explain several images with one head.

    Parameters are those of `saliency`; so are the errors.
    """
    require_one_of("method", method, METHODS)
    for name, value, methods in (
        ("layer", layer, (GRADCAM,)),
        ("baseline", baseline, (INTEGRATED, OCCLUSION)),
        ("score", score, (OCCLUSION,)),
        ("patch_px", patch_px, (OCCLUSION,)),
        ("stride_px", stride_px, (OCCLUSION,)),
        ("segments", segments, (OCCLUSION,)),
        ("most_steps", most_steps, (INTEGRATED,)),
    ):
        if value is not None and method not in methods:
            theirs = " and ".join(methods)
            raise ParameterError(name, f"changes nothing of {method}: it is for {theirs}")
    require_image_itself(loading)
    if method != OCCLUSION and loading.pop("precision", AUTO) != AUTO:
        raise ParameterError("precision", f"changes nothing of {method}, which is in float32")
    filled = GREY if baseline is None else require_one_of("baseline", baseline, BASELINES)
    its_score = LOG_ODDS if score is None else require_one_of("score", score, SCORES)
    steps = MOST_STEPS if most_steps is None else require_whole("most_steps", most_steps, 2)
    seed = require_seed("random_state", random_state)
    patch_px, stride_px, segments = (
        None if value is None else require_whole(name, value, least)
        for name, value, least in (
            ("patch_px", patch_px, 1),
            ("stride_px", stride_px, 1),
            ("segments", segments, 2),
        )
    )
    if segments is not None:
        for name, value in (("patch_px", patch_px), ("stride_px", stride_px)):
            if value is not None:
                raise ParameterError(name, "is for patches, which segments replace")
    settings = {"max_pixels": require_max_pixels(max_pixels), "progress": progress}
    if method == OCCLUSION:
        from ...prediction import load_predictor
        from ...prediction.head_extractor import read_recipe
        from .occlusion import ByOcclusion, odds_of_random

        side_px = read_recipe(as_head(head), "the head").input_size_px
        if segments is None:
            parts = patches_for(side_px, patch_px, stride_px)
        else:
            parts = segments_for(side_px, segments)
        with Progress("Opening the network", show=progress):
            predictor = load_predictor(
                head, many=True, engine=engine, max_pixels=max_pixels, **loading
            )
        random, note = None, NOT_WANTED
        if sanity:
            note = _NO_GRADIENTS.format(predictor.engine)
            if predictor.engine == REFERENCE:
                random = odds_of_random(predictor, seed, loading, progress)
        return ByOcclusion(predictor, filled, its_score, parts, random, note, **settings)

    loading.pop("parity", None)  # the network is compared with its engines when it is opened
    network = open_for_head(head, engine=engine, progress=progress, **loading)
    its_seed = seed if sanity else None
    if method == GRADCAM:
        from .gradcam import ByGradCam

        return ByGradCam(network, its_seed, layer, **settings)
    from .integrated import ByIntegratedGradients

    return ByIntegratedGradients(network, its_seed, filled, steps, **settings)
