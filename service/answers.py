"""From uploaded files to the predictions of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ImageRejectedError
from .refusals import RefusedError, error_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline.predictor import Predictor


def predictions(
    predictor: Predictor, uploads: Sequence[bytes | RefusedError], top: int
) -> list[dict[str, Any]]:
    """Predict each upload, in order; what is refused says so in its place.

    Parameters
    ----------
    predictor
        Runs once, on all images that can be decoded.
    uploads
        Image files, at least one.
    top
        Classes for each image, 1 to the number of classes.

    Returns
    -------
    list of dict
        `{"label", "probability", "top": [{"label", "probability"}, ...]}`, the most probable class
        first, or `{"error": {"code", "message"}}`.

    Raises
    ------
    RefusedError
        That of the first image, when there is none that can be predicted.
    """
    decoded = [_decode(predictor, upload) for upload in uploads]
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    if not images:
        raise next(refusal for refusal in decoded if isinstance(refusal, RefusedError))
    probabilities = iter(predictor.probabilities(np.stack(images)))
    return [
        error_body(image.code, image.message)
        if isinstance(image, RefusedError)
        else _entry(predictor.ranked(next(probabilities), top))
        for image in decoded
    ]


def _decode(predictor: Predictor, upload: bytes | RefusedError) -> np.ndarray | RefusedError:
    if isinstance(upload, RefusedError):
        return upload
    try:
        return predictor.load(upload)
    except ImageRejectedError as error:
        return RefusedError("image_rejected", str(error))


def _entry(ranked: Sequence[tuple[str, float]]) -> dict[str, Any]:
    top = [{"label": label, "probability": probability} for label, probability in ranked]
    return {**top[0], "top": top}
