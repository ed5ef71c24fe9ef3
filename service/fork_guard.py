"""An app that was made before its server forked: threads and decoders are not in the children."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ..forks import Owner
from .errors import CODES, error_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

logger = logging.getLogger(__name__)


def refuse_in_forked_processes(app: Flask) -> None:
    """Answer every request, `/readyz` too, with 500 and the reason in a process forked since.

    This comes before all routes, since locks and counters may be held by threads that are gone.
    """
    owner = Owner(
        "this app",
        "Call create_app in each worker: with gunicorn, leave out --preload",
    )
    answer: Any = app.wsgi_app

    def answer_at_home(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if owner.is_here:
            return answer(environ, start_response)
        logger.error("%s", owner)
        body = json.dumps(error_body(CODES[500], str(owner))).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", headers)
        return [body]

    app.wsgi_app = answer_at_home
