"""Refusals: every error of the service is JSON with a stable code and a reason in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..errors import BottlebankError

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response

CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_content_type",
    431: "headers_too_large",
    500: "internal_error",
    501: "not_implemented",
}
"""Codes of the errors that HTTP itself knows, by status; a `RefusedError` brings its own."""


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


def error_body(code: str, message: str) -> dict[str, dict[str, str]]:
    """The JSON object of an error, as the body of an answer and as an entry among predictions."""
    return {"error": {"code": code, "message": message}}


def answer_errors_with_json(app: Flask) -> None:
    """Have the app answer refusals, and every error that Flask raises, with `error_body`."""
    app.register_error_handler(RefusedError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http_error)


def _answer_refusal(refusal: RefusedError) -> ResponseReturnValue:
    return error_body(refusal.code, refusal.message), refusal.status


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = CODES.get(status, error.name.lower().replace(" ", "_"))
    response = error.get_response()  # its other headers count: Allow with 405
    response.data = json.dumps(error_body(code, _message(status, error))) + "\n"
    response.content_type = "application/json"
    return response


def _message(status: int, error: HTTPException) -> str:
    if status == 404:
        return f"there is nothing at this address; this server answers {_routes()}"
    if isinstance(error, MethodNotAllowed):
        return f"{request.method} is not answered at this address; this server answers {_routes()}"
    if status == 413:
        return _too_large()
    if status == 500:
        return "the server failed at this request; its log says why"
    return error.description or error.name


def _too_large() -> str:
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    if (request.content_length or 0) > limit:
        return (
            f"the body has {request.content_length:,} bytes; at most {limit:,} are accepted. "
            f"Send fewer or smaller images"
        )
    return (
        f"a form of at most {current_app.config['MAX_FORM_PARTS']} fields is accepted, each "
        f"text field of at most {current_app.config['MAX_FORM_MEMORY_SIZE']:,} bytes; send images "
        f"as files: curl -F image=@photo.jpg"
    )


def _routes() -> str:
    """The app's own addresses, from its table: `GET /, GET /healthz, POST /predict`."""
    return ", ".join(
        sorted(
            f"{method} {rule.rule}"
            for rule in current_app.url_map.iter_rules()
            for method in rule.methods or ()
            if rule.endpoint != "static" and method not in ("HEAD", "OPTIONS")
        )
    )
