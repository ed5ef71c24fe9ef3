"""The Flask app."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Flask, request

from .asked import HOSTS, SERVICE
from .classify import classify
from .description import description
from .errors import answer_errors_with_json
from .forked import refuse_in_forked_processes
from .headers import SECURITY_HEADERS
from .hosts import Hosts
from .logs import number_requests
from .operations import operations
from .routes import routes
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from flask import Response


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
        What is loaded already; None: what the settings name.

    Returns
    -------
    flask.Flask
        For `serve`, for another WSGI server, or for a test client. The queue of waiting requests
        is `serve`'s; under another server, that one has to bound it.

    Raises
    ------
    BottlebankError
        When what the settings name cannot be loaded.
    """
    if isinstance(settings, (str, os.PathLike)):
        settings = Settings(head=os.fspath(settings))
    app = Flask(__name__)
    # A redirect would name the host that the client has named.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue] (Flask's own provider)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    hosts = app.extensions[HOSTS] = Hosts(settings.allowed_hosts)
    app.extensions[SERVICE] = Service.open(settings) if service is None else service
    for blueprint in (routes, classify, operations, description):
        app.register_blueprint(blueprint)
    answer_errors_with_json(app)
    number_requests(app)
    app.before_request(lambda: hosts.check(request.method, dict(request.headers)))
    app.after_request(_add_security_headers)
    refuse_in_forked_processes(app)
    return app


def _add_security_headers(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response
