"""The Flask app."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..arguments import type_of
from ..errors import UsageError, WrongTypeError
from .access.hosts import Hosts
from .access.keys import without_keys
from .access.origins import Origins
from .access.proxies import Proxies
from .admin import admin
from .admission import admit_requests
from .classify import classify
from .errors import CODES, RefusedError, answer_body
from .fork_guard import refuse_in_forked_processes
from .logs import number_requests
from .models import models
from .openapi import openapi
from .request_context import HOSTS, SERVICE, current_service
from .routes import routes
from .security_headers import SECURITY_HEADERS
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response


def create_app(
    settings: Settings | str | os.PathLike[str] = Settings(),  # noqa: B008 (immutable)
    service: Service | None = None,
) -> Flask:
    """Make the WSGI app that answers with a head.

    Parameters
    ----------
    settings
        What answers, and its limits; or the path of a head file alone.
    service
        An open service; None opens what the settings name.

    Returns
    -------
    flask.Flask
        For `serve`, another WSGI server or a test client. `serve` bounds the queue of waiting
        requests; another server has to do so itself.

    Raises
    ------
    BottlebankError
        When what the settings name cannot be loaded.
    """
    if isinstance(settings, (str, os.PathLike)):
        settings = Settings(head=os.fspath(settings))
    if not isinstance(settings, Settings):
        raise WrongTypeError(
            f"expected bottlebank.service.Settings or the path of a head file, received "
            f"{type_of(settings)}: bb.save_head(trained, 'head.h5'), then bb.create_app('head.h5')"
        )
    app = Flask(__name__)
    # A redirect would repeat the host that the client sent.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue] (Flask's own provider)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    origins = Origins(settings.cors_origins)
    hosts = app.extensions[HOSTS] = Hosts(settings.allowed_hosts, origins)
    for blueprint in (routes, classify, models, admin, openapi):
        app.register_blueprint(blueprint)
    app.register_error_handler(RefusedError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http_error)
    number_requests(app)
    app.before_request(lambda: hosts.check(request.method, dict(request.headers)))
    admit_requests(app, settings)
    app.after_request(lambda response: _add_headers(response, origins))
    _see_through_proxies(app, settings)
    refuse_in_forked_processes(app)
    # Last, so that nothing has been started where the settings are refused.
    app.extensions[SERVICE] = Service.open(settings) if service is None else service
    return app


def _add_headers(response: Response, origins: Origins) -> Response:
    response.headers.update(SECURITY_HEADERS)
    response.headers.update(origins.headers(dict(request.headers)))
    return response


def _see_through_proxies(app: Flask, settings: Settings) -> None:
    taken = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()} - {""}
    first = settings.prefix.split("/")[1:2]
    if taken & {*first}:
        raise UsageError(
            f"prefix: expected a path that begins with none of the service's own addresses, "
            f"received {settings.prefix!r}"
        )
    proxies = Proxies(settings.trusted_proxies, settings.prefix)
    answer: Any = app.wsgi_app

    def answer_translated(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        proxies.translate(environ)
        return answer(environ, start_response)

    app.wsgi_app = answer_translated


def _answer_refusal(refusal: RefusedError) -> ResponseReturnValue:
    _count(refusal.code)
    headers = {**refusal.headers}
    if refusal.status == 503:
        headers["Retry-After"] = str(current_service().settings.retry_after_s)
    body = answer_body(request.path, refusal.code, without_keys(refusal.message))
    return body, refusal.status, headers


def _count(code: str) -> None:
    """Count a code, and note it for the log."""
    g.code = code
    current_service().metrics.rejected.labels(code).inc()


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = CODES.get(status, error.name.lower().replace(" ", "_"))
    _count(code)
    response = error.get_response()  # its other headers count: Allow with 405
    response.data = json.dumps(answer_body(request.path, code, _message(status, error))) + "\n"
    response.content_type = "application/json"
    return response


def _message(status: int, error: HTTPException) -> str:
    if status == 404:
        return f"there is nothing at this address; this server answers {_routes()}"
    if isinstance(error, MethodNotAllowed):
        return f"{request.method} is not allowed at this address; this server answers {_routes()}"
    if status == 413:
        return _too_large()
    if status == 500:
        return "the server failed to handle this request; its log says why"
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
            f"{method} {request.script_root}{rule.rule}"
            for rule in current_app.url_map.iter_rules()
            for method in rule.methods or ()
            if rule.endpoint not in ("static", "openapi.docs_file")
            and method not in ("HEAD", "OPTIONS")
        )
    )
