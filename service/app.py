"""The Flask app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from .headers import SECURITY_HEADERS
from .refusals import answer_errors_with_json
from .routes import PREDICTOR, SETTINGS, routes
from .settings import Settings

if TYPE_CHECKING:
    from flask import Response

    from ..pipeline.predictor import Predictor

_MAX_TEXT_FIELD_BYTES = 64 << 10
_MAX_FIELDS_BESIDE_IMAGES = 100


def create_app(predictor: Predictor, settings: Settings = Settings()) -> Flask:  # noqa: B008 (immutable)
    """Make the WSGI app that answers with a predictor.

    Parameters
    ----------
    predictor
        Safe to call from threads.
    settings
        Limits of a request.

    Returns
    -------
    flask.Flask
        For `serve`, for another WSGI server, or for a test client.
    """
    app = Flask(__name__)
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue] (Flask's own provider)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_MEMORY_SIZE=_MAX_TEXT_FIELD_BYTES,
        # Images beyond the limit have to be parsed to be counted in the answer.
        MAX_FORM_PARTS=4 * settings.max_images + _MAX_FIELDS_BESIDE_IMAGES,
    )
    app.extensions[PREDICTOR] = predictor
    app.extensions[SETTINGS] = settings
    app.register_blueprint(routes)
    answer_errors_with_json(app)
    app.after_request(_add_security_headers)
    return app


def _add_security_headers(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response
