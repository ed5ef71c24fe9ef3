"""How errors become answers: refusals of the routes, and whatever Flask raises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from .asked import service
from .refusals import CODES, RefusedError, error_body

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response


def answer_errors_with_json(app: Flask) -> None:
    """Have the app answer refusals, and every error that Flask raises, with `error_body`."""
    app.register_error_handler(RefusedError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http_error)


def _answer_refusal(refusal: RefusedError) -> ResponseReturnValue:
    _count(refusal.code)
    headers = {}
    if refusal.status == 503:
        headers["Retry-After"] = str(service().settings.retry_after_s)
    return error_body(refusal.code, refusal.message), refusal.status, headers


def _count(code: str) -> None:
    """Count a code, and note it for the log."""
    g.code = code
    service().metrics.rejected.labels(code).inc()


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = CODES.get(status, error.name.lower().replace(" ", "_"))
    _count(code)
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
    received = "" if request.content_length is None else f"has {request.content_length:,} bytes"
    return (
        f"the body {received or 'is too large'}; at most {request.max_content_length:,} are "
        f"accepted. Send fewer or smaller images"
    )


def _routes() -> str:
    """The app's own addresses, from its table: `GET /, GET /healthz, POST /predict`."""
    return ", ".join(
        sorted(
            f"{method} {rule.rule}"
            for rule in current_app.url_map.iter_rules()
            for method in rule.methods or ()
            if rule.endpoint not in ("static", "description.docs_file")
            and method not in ("HEAD", "OPTIONS")
        )
    )
