"""Tags for images: a route with a contract of its own, older than this program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, g, request

from ..classifier.tags import tags
from ..errors import ImageRejectedError
from .asked import deadline, service
from .refusals import RefusedError
from .uploads import check_number, from_base64, json_object, kind_of_value

if TYPE_CHECKING:
    from ..pipeline import Predictor

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
    predictor = service().heads.served.predictor
    asked = json_object(request.get_data(), _EXPECTED)
    if "images" not in asked:
        raise RefusedError("no_images", f'"images" is missing; expected {_EXPECTED}')
    images = asked["images"]
    if not isinstance(images, list):
        raise RefusedError(
            "images_not_a_list", f'"images": expected a list, received {kind_of_value(images)}'
        )
    check_number(len(images), service().settings.max_images)
    g.head, g.n_images = predictor.version, len(images)
    files = [_checked(predictor, image, position) for position, image in enumerate(images)]
    refusals, features = service().inference(files, until)
    for position, refusal in enumerate(refusals):
        if refusal is not None:
            raise RefusedError(refusal.code, f"images[{position}]: {refusal.message}")
    said = predictor.say(features)
    return {"tags": [tags(predictor.ranked(row, 2)) for row in said.probabilities]}


def _checked(predictor: Predictor, image: object, position: int) -> bytes:
    where = f"images[{position}]"
    data = from_base64(image)
    if isinstance(data, RefusedError):
        raise RefusedError(data.code, f"{where}: {data.message}")
    try:
        file_format, mode = predictor.kind_of(data)
    except ImageRejectedError as error:
        raise RefusedError("image_rejected", f"{where}: {error}") from error
    if file_format not in _FORMATS:
        raise RefusedError(
            "format_not_accepted", f"{where}: expected JPEG or PNG, received {file_format}"
        )
    if mode not in _MODES:
        received = _MODES_IN_WORDS.get(mode, mode)
        raise RefusedError(
            "colour_mode_not_accepted",
            f"{where}: expected an image in RGB, RGBA or CMYK, received {received}",
        )
    return data
