"""What a client sends to the predict route: the bytes of one or several image files."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .refusals import RefusedError, quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request

FIELD = "image"
ACCEPTED = (
    'a multipart form with one or more files in its field "image", '
    "a body of type image/* or application/octet-stream, "
    'or JSON {"image": "<base64>"} or {"images": ["<base64>", ...]}'
)

_DATA_URL = re.compile(r"data:image/[^;,]{1,100};base64,", re.IGNORECASE)


class Uploads(NamedTuple):
    """The images of a request."""

    files: list[bytes | RefusedError]
    """In the client's order, at least one; nothing is decoded. A refusal stands where one of the
    images is not even bytes."""
    by_url: bool = False
    """Whether the client named a URL, from which the image was fetched."""


def read_uploads(request: Request, max_images: int, fetch: Callable[[str], bytes]) -> Uploads:
    """Take the image files out of a request.

    Parameters
    ----------
    request
        Its content type decides how it is read; without one, the body is the image.
    max_images
        Most images that are accepted.
    fetch
        From a URL to the bytes of an image file, or RefusedError.

    Raises
    ------
    RefusedError
        When the request as a whole is refused.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        return Uploads(_from_form(request, max_images))
    if kind == "application/json" or kind.endswith("+json"):
        asked = json_object(request.get_data())
        if "url" in asked:
            return Uploads([fetch(_url(asked))], by_url=True)
        return Uploads(_from_json(asked, max_images))
    if kind in ("", "application/octet-stream") or kind.startswith("image/"):
        data = request.get_data()
        if not data:
            raise RefusedError("no_image", f"the body is empty; expected {ACCEPTED}")
        return Uploads([data])
    raise RefusedError(
        "unsupported_content_type",
        f"expected {ACCEPTED}; received the content type {quote(kind)}",
        status=415,
    )


def _from_form(request: Request, max_images: int) -> list[bytes | RefusedError]:
    files = request.files.getlist(FIELD)
    check_number(len(files), max_images)
    uploads = [(file.filename, file.read()) for file in files]
    # A browser sends a nameless file of no bytes for a form in which none was chosen.
    chosen: list[bytes | RefusedError] = [data for name, data in uploads if name or data]
    if chosen:
        return chosen
    if files:
        raise RefusedError(
            "no_image", f'no file was chosen for the field "image"; expected {ACCEPTED}'
        )
    if FIELD in request.form:
        raise RefusedError(
            "no_image",
            'the field "image" came as text; expected a file: '
            "curl -F image=@photo.jpg (with the @)",
        )
    names = sorted({*request.files, *request.form})
    received = ", ".join(quote(name) for name in names[:5]) or "no fields"
    raise RefusedError("no_image", f'expected files in the field "image"; received {received}')


def json_object(body: bytes, expected: str = ACCEPTED) -> dict[str, Any]:
    """The JSON object of a body, or RefusedError."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            "invalid_json", f"the body is not JSON ({error}); expected {expected}"
        ) from error
    if not isinstance(asked, dict):
        raise RefusedError(
            "invalid_json", f"expected {expected}; received JSON {kind_of_value(asked)}"
        )
    return asked


def _url(asked: dict[str, Any]) -> str:
    others = [key for key in ("image", "images") if key in asked]
    if others:
        raise RefusedError("invalid_json", f'expected "url" or "{others[0]}", received both')
    if not isinstance(asked["url"], str):
        raise RefusedError(
            "invalid_json", f'"url": expected a string, received {kind_of_value(asked["url"])}'
        )
    return asked["url"]


def _from_json(asked: dict[str, Any], max_images: int) -> list[bytes | RefusedError]:
    if "image" in asked and "images" in asked:
        raise RefusedError("invalid_json", 'expected "image" or "images", received both')
    if "image" in asked:
        return [from_base64(asked["image"])]
    if "images" not in asked:
        received = ", ".join(quote(key) for key in list(asked)[:5]) or "no keys"
        raise RefusedError("no_image", f"expected {ACCEPTED}; received an object with {received}")
    images = asked["images"]
    if not isinstance(images, list):
        raise RefusedError(
            "invalid_json", f'"images": expected a list, received {kind_of_value(images)}'
        )
    if not images:
        raise RefusedError("no_image", f'"images" is an empty list; expected {ACCEPTED}')
    check_number(len(images), max_images)
    return [from_base64(image) for image in images]


def from_base64(text: object) -> bytes | RefusedError:
    """The bytes that a string of base64 stands for, or why there are none."""
    if not isinstance(text, str):
        return RefusedError(
            "not_base64", f"expected a string of base64, received {kind_of_value(text)}"
        )
    prefix = _DATA_URL.match(text)
    try:
        return base64.b64decode(text[prefix.end() :] if prefix else text, validate=True)
    except ValueError as error:
        return RefusedError(
            "not_base64",
            f"expected base64 (A-Z a-z 0-9 + / and = at the end, no line breaks) of an image file, "
            f"received {quote(text)}: {error}",
        )


def check_number(n_images: int, max_images: int) -> None:
    """Refuse more images than a request may have."""
    if n_images > max_images:
        raise RefusedError(
            "too_many_images",
            f"{n_images} images in one request; at most {max_images} are accepted: send the rest "
            f"in further requests",
            status=413,
        )


def kind_of_value(value: object) -> str:
    """What a value is, in the words of JSON."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
