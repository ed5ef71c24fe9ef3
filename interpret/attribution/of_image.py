"""`saliency`: one image, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...classifier.given_head import as_head
from ...features.engines.registry import AUTO
from ...features.images.decoder import MAX_PIXELS
from ..given_image import read_image
from ..known_class import require_class
from .methods import GRADCAM
from .opening import open_explainer

if TYPE_CHECKING:
    from ...classifier.given_head import HeadLike
    from ...prediction.image_inputs import ImageLike
    from .found import Saliency


def saliency(
    image: ImageLike,
    head: HeadLike,
    label: str | None = None,
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
) -> Saliency:
    """Which parts of an image the probability of a class rests on.

    All methods explain the log-odds of the class, log(p / (1 - p)); occlusion also the probability.

    Parameters
    ----------
    image
        A path, or what else a predictor takes.
    head
        A head file; or what `train_head` or `load_head` returns.
    label
        The class; None for the most probable one.
    method
        ``gradcam``, ``integrated-gradients`` or ``occlusion``. The first two need TensorFlow;
        occlusion works with every engine.
    layer
        Of Grad-CAM: the layer whose maps are used; None for the last one that has maps.
    baseline
        Of integrated gradients, where the way to the image begins, and of occlusion, what hides a
        part of it: ``grey``, which is the default, ``mean``, ``black`` or ``blurred``.
    score
        Of occlusion, what falls: ``log-odds``, the default, or ``probability``, which falls most
        where the answer is about to change.
    patch_px, stride_px
        Of occlusion: the side of the patch, in pixels of the network's input, and how far it moves;
        None for a seventh of the side, and half of the patch.
    segments
        Of occlusion, in place of patches: how many connected parts of like colour the image is cut
        into, each of which is hidden once. 32 or 64 are usual.
    most_steps
        Of integrated gradients: points at which gradients are computed at most; None for 512. It
        ends with fewer when the contributions sum to the difference of the scores within 1 %.
    sanity
        Whether the same is done with random weights, to be compared.
    random_state
        Of the random weights.
    engine, max_pixels, **loading
        As in `load_predictor`: ``cache``, ``extractor``, ``weights``, ``parity``.
    progress
        As in `extract`.

    Raises
    ------
    UsageError
        An unknown name, class or layer, or an engine that the method cannot use.
    ImageRejectedError
        When the image is rejected.
    EngineError, HeadFileError, HeadMismatchError, WeightsNotFoundError
        As `open_for_head` and `load_predictor`.

    Examples
    --------
    >>> found = saliency("photo.jpg", "head.h5", method="occlusion")  # doctest: +SKIP
    >>> found.label, found.maximum  # doctest: +SKIP
    ('dress', (0.52, 0.31))
    """
    given = read_image(image)
    if label is not None:
        require_class(as_head(head).classes, label)  # before the network starts, which takes longer
    explainer = open_explainer(
        head,
        method=method,
        layer=layer,
        baseline=baseline,
        score=score,
        patch_px=patch_px,
        stride_px=stride_px,
        segments=segments,
        most_steps=most_steps,
        sanity=sanity,
        random_state=random_state,
        engine=engine,
        max_pixels=max_pixels,
        progress=progress,
        **loading,
    )
    return explainer.explain(given, label)
