"""From uploaded files to the predictions of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ImageRejectedError
from .refusals import Refusal, error_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline.predictor import Predictor


def predictions(
    predictor: Predictor, uploads: Sequence[bytes | Refusal], top: int
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
    Refusal
        That of the first image, when there is none that can be predicted.
    """
    decoded = [_decode(predictor, upload) for upload in uploads]
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    if not images:
        raise next(refusal for refusal in decoded if isinstance(refusal, Refusal))
    probabilities = iter(predictor.probabilities(np.stack(images)))
    return [
        error_body(image.code, image.message)
        if isinstance(image, Refusal)
        else _ranked(predictor.classes, next(probabilities), top)
        for image in decoded
    ]


def _decode(predictor: Predictor, upload: bytes | Refusal) -> np.ndarray | Refusal:
    if isinstance(upload, Refusal):
        return upload
    try:
        return predictor.load(upload)
    except ImageRejectedError as error:
        return Refusal("image_rejected", str(error))


def _ranked(classes: Sequence[str], row: np.ndarray, top: int) -> dict[str, Any]:
    best_first = np.argsort(-row, kind="stable")[:top]
    ranked = [{"label": classes[i], "probability": float(row[i])} for i in best_first]
    return {**ranked[0], "top": ranked}
