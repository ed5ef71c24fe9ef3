"""Multipart forms, split at their boundary alone: the data between is never parsed."""

from __future__ import annotations

import re
from typing import NamedTuple

from werkzeug.http import parse_options_header

from .errors import RefusedError

MAX_TEXT_BYTES = 64 << 10
"""Of a text field: no parameter of the service is longer."""

_MAX_HEADER_BYTES = 16 << 10
# Only blanks may follow the boundary on its line.
_REST_OF_LINE = re.compile(rb"[ \t]*(\r?\n)")
_BLANK_LINE = re.compile(rb"\n\r?\n")


class Part(NamedTuple):
    """One field of a form."""

    name: str
    file_name: str | None
    """The client's name of the file; None for a text field."""
    data: bytes
    encoding: str = ""
    """Its `Content-Transfer-Encoding`, which old clients set."""


def read_form(body: bytes, boundary: str, max_parts: int) -> list[Part]:
    """Split a multipart body, which is in memory, in one step.

    A streaming parser keeps back what may be the beginning of a boundary, so that its work depends
    on the line ends in a picture: Werkzeug's refuses some photographs with 413, and adds a byte to
    others.

    Parameters
    ----------
    body
        Line ends are CRLF, or LF throughout.
    boundary
        From the content type.
    max_parts
        Fields that are accepted.

    Raises
    ------
    RefusedError
        When it is not a form, or beyond the limits.
    """
    if not boundary:
        raise _not_a_form('its content type names no boundary: multipart/form-data; boundary="…"')
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    # The first boundary may stand at the very beginning; all others begin a line.
    at = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if not body.startswith(delimiter, at):
        raise _not_a_form("the boundary that its content type names is not in it")
    pieces = body[at:].split(b"\n" + delimiter, max_parts + 1)
    pieces[0] = pieces[0][len(delimiter) :]
    crlf = pieces[0].lstrip(b" \t").startswith(b"\r\n")
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        if piece.startswith(b"--"):
            return parts
        if number == max_parts:
            raise too_large(max_parts)
        line = _REST_OF_LINE.match(piece)
        if line is None:
            raise _not_a_form("a line begins with its boundary, and goes on")
        if number + 1 < len(pieces):  # the last is not whole
            end = len(piece) - (crlf and piece.endswith(b"\r"))
            parts.append(_part(piece[line.start(1) : end]))
    raise _not_a_form("it is cut short: its last boundary is missing")


def _part(piece: bytes) -> Part:
    """Headers, each with its line end before it; an empty line; data."""
    end = _BLANK_LINE.search(piece, 0, _MAX_HEADER_BYTES)
    if end is not None:
        head, data = piece[: end.start()], piece[end.end() :]
    elif len(piece) <= _MAX_HEADER_BYTES:  # some clients leave the empty line out before no data
        head, data = piece, b""
    else:
        raise _not_a_form("a field has no empty line after its headers")
    # File names come in any encoding; only their presence matters.
    lines = head.decode("utf-8", "replace")
    headers = {}
    for line in re.sub(r"\r?\n[ \t]+", " ", lines).split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    kind = headers.get("content-type", "").lower()
    if kind.startswith("multipart/"):
        raise RefusedError(
            "no_image",
            'a form inside the form is not read; send each file as a field "image" of its own',
        )
    options = parse_options_header(disposition)[1]
    file_name = options.get("filename")
    if file_name is None and (
        re.search(r";\s*filename\*?\s*=", disposition, re.IGNORECASE)
        or (kind and not kind.startswith("text/"))
    ):
        file_name = ""  # unreadable, or left out although the content type is that of a file
    if file_name is None and len(data) > MAX_TEXT_BYTES:
        raise too_large()
    return Part(
        options.get("name", ""),
        file_name,
        data,
        headers.get("content-transfer-encoding", "").lower(),
    )


def too_large(max_parts: int | None = None) -> RefusedError:
    """The refusal of a form with too many fields, or too long ones."""
    fields = "" if max_parts is None else f"at most {max_parts} fields, and "
    return RefusedError(
        "body_too_large",
        f"expected a form with {fields}text fields of at most {MAX_TEXT_BYTES:,} bytes; send "
        f"images as files: curl -F image=@photo.jpg",
        status=413,
    )


def _not_a_form(reason: str) -> RefusedError:
    return RefusedError("no_image", f"the form cannot be read: {reason}")
