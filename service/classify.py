"""Tags for images: a route with a contract of its own, which existing clients use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, g, request

from ..classifier.tags import tags
from ..untrusted.json_text import json_type
from .errors import RefusedError
from .request_context import current_service, deadline
from .uploads import check_bytes, check_number, image_from_base64, json_object, max_received_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..features.images.decoder import Kind

classify = Blueprint("classify", __name__)

_FORMATS = ("JPEG", "PNG")
_MODES = ("RGB", "RGBA", "CMYK")
_MODES_IN_WORDS = {
    "L": "greyscale",
    "LA": "greyscale with transparency",
    "I;16": "greyscale of 16 bits",
    "I": "greyscale of 32 bits",
    "1": "black and white",
    "P": "a palette",
}
_EXPECTED = '{"images": ["<base64 of a JPEG or PNG file>", ...]}'


@classify.post("/classify", strict_slashes=False)
def classify_images() -> dict[str, Any]:
    """One or two tags for each image, or `Unknown`; one bad image refuses the request."""
    until = deadline()
    predictor = current_service().heads.served.predictor
    settings = current_service().settings
    payload = json_object(request, max_received_bytes(settings), _EXPECTED, settings.max_images)
    if "images" not in payload:
        raise RefusedError("no_images", f'"images" is missing; expected {_EXPECTED}')
    images = payload["images"]
    if not isinstance(images, list):
        raise RefusedError(
            "images_not_a_list", f'"images": expected a list, received {json_type(images)}'
        )
    check_number(len(images), settings.max_images)
    g.head, g.n_images = predictor.version, len(images)
    files = [image_from_base64(image) for image in images]
    check_bytes(files, settings.max_body_bytes)
    _raise_first([file if isinstance(file, RefusedError) else None for file in files])
    refusals, features, _ = current_service().inference(files, until, _refusal_of)
    _raise_first(refusals)
    said = predictor.predict_features(features)
    return {"tags": [tags(predictor.ranked(row, 2)) for row in said.probabilities]}


def _raise_first(refusals: Sequence[RefusedError | None]) -> None:
    for position, refusal in enumerate(refusals):
        if refusal is not None:
            raise RefusedError(refusal.code, f"images[{position}]: {refusal.message}")


def _refusal_of(kind: Kind) -> RefusedError | None:
    if kind.format not in _FORMATS:
        return RefusedError("format_not_accepted", f"expected JPEG or PNG, received {kind.format}")
    if kind.mode not in _MODES:
        received = _MODES_IN_WORDS.get(kind.mode, kind.mode)
        return RefusedError(
            "colour_mode_not_accepted",
            f"expected an image in RGB, RGBA or CMYK, received {received}",
        )
    return None
