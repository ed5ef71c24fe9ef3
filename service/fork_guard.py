"""Refusals in a forked process, which has neither the threads nor the decoders of the app."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ..fork_safety import Owner
from .errors import CODES, error_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

logger = logging.getLogger(__name__)


def refuse_in_forked_processes(app: Flask) -> None:
    """In a process that was forked later, answer every request, `/readyz` too, with 500 and why.

    This comes before all routes: threads that are gone may hold locks and counters.
    """
    owner = Owner(
        "this app",
        "Call create_app in each worker: with gunicorn, leave out --preload",
    )
    answer: Any = app.wsgi_app

    def answer_in_own_process(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if owner.is_here:
            return answer(environ, start_response)
        logger.error("%s", owner)
        body = json.dumps(error_body(CODES[500], str(owner))).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", headers)
        return [body]

    app.wsgi_app = answer_in_own_process
