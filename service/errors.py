"""Errors of the service: each is answered as JSON, with a stable code and a message."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import BottlebankError

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_content_type",
    431: "headers_too_large",
    500: "internal_error",
    501: "not_implemented",
    503: "too_busy",
}
"""Codes of HTTP's own errors, by status; a `RefusedError` has its own."""

_LONGEST_REASON = 1000
_FOLDERS = re.compile(r"(?<![\w/:.])(?:/[^/\s'\"]+)+/")


class RefusedError(BottlebankError, ValueError):
    """A request, or one image of it, that is refused.

    Parameters
    ----------
    code
        Stable, snake_case, for programs.
    message
        The reason, and what would be accepted, for people.
    status
        HTTP status where the whole request is refused.
    headers
        Of the answer then.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """The message is that of the exception, too."""
        super().__init__(message)
        self.headers = headers
        self.code = code
        self.message = message
        self.status = status


class DeadlineError(RefusedError):
    """A request that has waited for too long."""

    def __init__(self) -> None:
        """The message is always the same."""
        super().__init__(
            "deadline_exceeded",
            "the server is overloaded; this request was given up after it had waited "
            "for too long. Try again later",
            status=503,
        )


def error_body(code: str, message: str) -> dict[str, dict[str, str]]:
    """The JSON object of an error: the body of an answer, or an entry among predictions."""
    return {"error": {"code": code, "message": message}}


def answer_body(path: str, code: str, message: str) -> dict[str, object]:
    """The body of a refusal: below `/v1/`, clients of TensorFlow Serving expect a text."""
    return {"error": message} if path.startswith("/v1/") else {**error_body(code, message)}


def without_folders(text: str) -> str:
    """A reason for clients, who need not know where files are on this machine."""
    return _FOLDERS.sub("", text)[:_LONGEST_REASON]
