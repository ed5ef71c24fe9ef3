"""The Flask app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from .asked import SERVICE
from .classify import classify
from .description import description
from .errors import answer_errors_with_json
from .headers import SECURITY_HEADERS
from .logs import number_requests
from .operations import operations
from .routes import routes
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from flask import Response

_MAX_TEXT_FIELD_BYTES = 64 << 10
_MAX_FIELDS_BESIDE_IMAGES = 100


def create_app(
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    service: Service | None = None,
) -> Flask:
    """Make the WSGI app that answers with a head.

    Parameters
    ----------
    settings
        What answers, and its limits.
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
    app = Flask(__name__)
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue] (Flask's own provider)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_MEMORY_SIZE=_MAX_TEXT_FIELD_BYTES,
        # Images beyond the limit have to be parsed to be counted in the answer.
        MAX_FORM_PARTS=4 * settings.max_images + _MAX_FIELDS_BESIDE_IMAGES,
    )
    app.extensions[SERVICE] = Service.open(settings) if service is None else service
    for blueprint in (routes, classify, operations, description):
        app.register_blueprint(blueprint)
    answer_errors_with_json(app)
    number_requests(app)
    app.after_request(_add_security_headers)
    return app


def _add_security_headers(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response
