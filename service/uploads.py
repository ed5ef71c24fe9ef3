"""The image files in a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ..formatting import in_brief_names
from ..untrusted.base64_text import read_base64
from ..untrusted.json_text import json_type
from ..untrusted.terminal import quote
from ..untrusted.urls import FetchError
from .errors import RefusedError
from .multipart import read_form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Request

    from .settings import Settings

FIELD = "image"
ACCEPTED = (
    'a multipart form with one or more files in its field "image", '
    "a body of type image/* or application/octet-stream, "
    'or JSON {"image": "<base64>"} or {"images": ["<base64>", ...]}'
)

# Boundaries, headers and names of a form or of JSON, and line breaks in base64.
_BESIDE_BYTES = 64 << 10
_PARTS_BESIDE_IMAGES = 100
_VALUES_BESIDE_IMAGES = 10_000
# The encodings of Unicode are recognised by their first bytes.
_CHARSETS = ("iso-8859-1", "windows-1252", "us-ascii")


_STATUS_OF_FETCH = {
    "invalid_url": 400,
    "url_disabled": 403,
    "url_not_allowed": 403,
    "url_address_refused": 403,
    "fetch_too_large": 413,
    "fetch_timeout": 504,
}
"""Of what goes wrong otherwise, the other server is the cause: 502."""


class Uploads(NamedTuple):
    """The images of a request."""

    files: Sequence[bytes | RefusedError]
    """At least one, in the client's order, not decoded. A refusal stands in place of an image whose
    base64 is broken."""
    by_url: bool = False
    """Whether the image was fetched from a URL."""


def read_uploads(request: Request, settings: Settings, fetch: Callable[[str], bytes]) -> Uploads:
    """Read the image files of a request.

    Parameters
    ----------
    request
        Its content type decides how it is read; without one, the body is the image.
    settings
        How many images are accepted, and of how many bytes together; a form or JSON may be as much
        larger as it has to be.
    fetch
        From a URL to the bytes of an image file, or FetchError.

    Raises
    ------
    RefusedError
        When the request as a whole is refused.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        request.max_content_length = settings.max_body_bytes + _BESIDE_BYTES
        files = _from_form(request, settings.max_images)
    elif kind == "application/json" or kind.endswith("+json"):
        payload = json_object(request, max_received_bytes(settings), max_images=settings.max_images)
        if "url" in payload:
            return Uploads([_from_url(payload, fetch)], by_url=True)
        files = _from_json(payload, settings.max_images)
    elif kind in ("", "application/octet-stream") or kind.startswith("image/"):
        files = [_body_of(request)]
        if files == [b""]:
            raise RefusedError("no_image", f"the body is empty; expected {ACCEPTED}")
    else:
        raise RefusedError(
            "unsupported_content_type",
            f"expected {ACCEPTED}; received the content type {quote(kind)}",
            status=415,
        )
    check_bytes(files, settings.max_body_bytes)
    return Uploads(files)


def max_received_bytes(settings: Settings) -> int:
    """The largest body that is read, in bytes.

    Base64 is a third larger than the image, and more with line breaks, each two characters in JSON.
    """
    return settings.max_body_bytes * 3 // 2 + _BESIDE_BYTES


def _from_form(request: Request, max_images: int) -> list[bytes | RefusedError]:
    # Images beyond the limit are parsed, so that the answer can say how many there were.
    max_parts = 4 * max_images + _PARTS_BESIDE_IMAGES
    boundary = request.mimetype_params.get("boundary", "")
    parts = read_form(_body_of(request), boundary, max_parts)
    files = [part for part in parts if part.name == FIELD and part.file_name is not None]
    check_number(len(files), max_images)
    # A browser sends a nameless empty file where none was chosen.
    chosen = [
        image_from_base64(part.data.decode("latin-1")) if part.encoding == "base64" else part.data
        for part in files
        if part.file_name or part.data
    ]
    if chosen:
        return chosen
    if files:
        raise RefusedError(
            "no_image", f'no file was chosen for the field "image"; expected {ACCEPTED}'
        )
    if any(part.name == FIELD for part in parts):
        raise RefusedError(
            "no_image",
            'the field "image" came as text; expected a file: '
            "curl -F image=@photo.jpg (with the @)",
        )
    names = sorted({part.name for part in parts})
    received = in_brief_names(names) or "no fields"
    raise RefusedError("no_image", f'expected files in the field "image"; received {received}')


def _body_of(request: Request) -> bytes:
    """The body of a request.

    One that is compressed is refused: the limits on bodies count what is received, and images
    hardly shrink.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedError(
            "unsupported_content_encoding",
            f"the body has the Content-Encoding {quote(encoding)}; send it as it is, without one",
            status=415,
            headers={"Accept-Encoding": "identity"},
        )
    return request.get_data(cache=False)


def json_object(
    request: Request, max_bytes: int, expected: str = ACCEPTED, max_images: int = 0
) -> dict[str, Any]:
    """The JSON object of a body, or RefusedError."""
    request.max_content_length = max_bytes
    body = _body_of(request)
    _check_values(body, _VALUES_BESIDE_IMAGES + max_images, expected)
    charset = request.mimetype_params.get("charset", "").lower()
    try:
        # Without one, `json` recognises UTF-8, UTF-16 and UTF-32, with or without a mark.
        payload = json.loads(body.decode(charset) if charset in _CHARSETS else body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            "invalid_json", f"the body is not JSON ({error}); expected {expected}"
        ) from error
    if not isinstance(payload, dict):
        raise RefusedError(
            "invalid_json", f"expected {expected}; received JSON {json_type(payload)}"
        )
    return payload


def _check_values(body: bytes, most: int, expected: str) -> None:
    """Refuse a body with so many values that parsing it would delay other requests.

    Python parses JSON without releasing the GIL, into objects of many times its size.
    """
    n_values = sum(map(body.count, (b",", b"[", b"{")))
    if n_values > most or body.count(b"\\") > most + len(body) // 8:
        raise RefusedError(
            "invalid_json",
            f"the body has more than {most:,} values, or is mostly escapes; expected {expected}",
        )


def _from_url(payload: dict[str, Any], fetch: Callable[[str], bytes]) -> bytes:
    url = payload["url"]
    others = [key for key in ("image", "images") if key in payload]
    if others:
        raise RefusedError("invalid_json", f'expected "url" or "{others[0]}", received both')
    if not isinstance(url, str):
        raise RefusedError("invalid_json", f'"url": expected a string, received {json_type(url)}')
    try:
        return fetch(url)
    except FetchError as error:
        status = _STATUS_OF_FETCH.get(error.code, 502)
        raise RefusedError(error.code, error.message, status) from error


def _from_json(payload: dict[str, Any], max_images: int) -> list[bytes | RefusedError]:
    if "image" in payload and "images" in payload:
        raise RefusedError("invalid_json", 'expected "image" or "images", received both')
    if "image" in payload:
        return [image_from_base64(payload["image"])]
    if "images" not in payload:
        received = in_brief_names([*payload]) or "no keys"
        raise RefusedError("no_image", f"expected {ACCEPTED}; received an object with {received}")
    images = payload["images"]
    if not isinstance(images, list):
        raise RefusedError(
            "invalid_json", f'"images": expected a list, received {json_type(images)}'
        )
    if not images:
        raise RefusedError("no_image", f'"images" is an empty list; expected {ACCEPTED}')
    check_number(len(images), max_images)
    return [image_from_base64(image) for image in images]


def image_from_base64(text: object) -> bytes | RefusedError:
    """The image file that a string of base64 stands for, or why there is none."""
    try:
        return read_base64(text)
    except ValueError as error:
        return RefusedError("not_base64", str(error))


def check_bytes(files: Sequence[bytes | RefusedError], most: int) -> None:
    """Refuse images that are too large together."""
    n_bytes = sum(len(file) for file in files if isinstance(file, bytes))
    if n_bytes > most:
        raise RefusedError(
            "body_too_large",
            f"the images have {n_bytes:,} bytes; at most {most:,} are accepted. Send fewer or "
            f"smaller images",
            status=413,
        )


def check_number(n_images: int, max_images: int) -> None:
    """Refuse too many images."""
    if n_images > max_images:
        raise RefusedError(
            "too_many_images",
            f"{n_images} images in one request; at most {max_images} are accepted: send the rest "
            f"in further requests",
            status=413,
        )
