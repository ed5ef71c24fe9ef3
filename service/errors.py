"""Refusals: every error of the service is JSON with a stable code and a reason in words."""

from __future__ import annotations

import re

from ..errors import BottlebankError

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
"""Codes of the errors that HTTP itself knows, by status; a `RefusedError` brings its own."""

_LONGEST_REASON = 1000
_FOLDERS = re.compile(r"(?<![\w/:.])(?:/[^/\s'\"]+)+/")


class RefusedError(BottlebankError, ValueError):
    """A request, or one image of it, that is not answered with predictions.

    Parameters
    ----------
    code
        Stable, snake_case; what a program compares.
    message
        The reason, and what would be accepted; what a person reads.
    status
        HTTP status, when the whole request is refused.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """The message is that of the exception, too."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class DeadlineError(RefusedError):
    """A request that waited for longer than it may."""

    def __init__(self) -> None:
        """Always the same words."""
        super().__init__(
            "deadline_exceeded",
            "the server has more to do than it can; this request was given up after it had waited "
            "for too long. Try again later",
            status=503,
        )


def error_body(code: str, message: str) -> dict[str, dict[str, str]]:
    """The JSON object of an error, as the body of an answer and as an entry among predictions."""
    return {"error": {"code": code, "message": message}}


def without_folders(text: str) -> str:
    """A reason for those who ask over the network, who need not know where files lie here."""
    return _FOLDERS.sub("", text)[:_LONGEST_REASON]
