"""One log line per request: JSON for machines, text for a person at a terminal."""

from __future__ import annotations

import logging
import re
import sys
import uuid
from typing import TYPE_CHECKING, Any

from flask import g, request
from pythonjsonlogger.json import JsonFormatter

from ..untrusted.terminal import shown
from .access.keys import KEY, without_keys
from .request_context import HEALTH, arrived, current_service, milliseconds

if TYPE_CHECKING:
    from flask import Flask, Response

    from .metrics import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def request_id(requested: str) -> str:
    """The id of a request: the client's own where it is acceptable, else a random one."""
    is_accepted = _ACCEPTED_ID.fullmatch(requested) and not KEY.search(requested)
    return requested if is_accepted else uuid.uuid4().hex


def number_requests(app: Flask) -> None:
    """Give every request an id; count and log it when it is answered."""

    @app.before_request
    def _begin() -> None:
        arrived()
        g.request_id = request_id(request.headers.get(REQUEST_ID, ""))

    @app.after_request
    def _end(response: Response) -> Response:
        response.headers[REQUEST_ID] = g.request_id
        fields = {
            "request_id": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "milliseconds": milliseconds(),
            "images": g.get("n_images"),
            "head": g.get("head"),
            "key": g.get("key"),
            "code": g.get("code"),
            "client": request.remote_addr,
        }
        route = request.url_rule.rule.rstrip("/") or "/" if request.url_rule else "other"
        metrics = current_service().metrics
        # After the answer is sent: the client does not wait for this.
        response.call_on_close(lambda: _record(metrics, route, fields))
        return response


def _record(metrics: Metrics, route: str, fields: dict[str, Any]) -> None:
    status, seconds = fields["status"], fields["milliseconds"] / 1000
    metrics.requests.labels(route, status).inc()
    metrics.seconds.labels(route).observe(seconds)
    log_request(fields)


def log_request(fields: dict[str, Any]) -> None:
    """Write the line of one request; `fields` has at least its method, path and status."""
    level = logging.DEBUG if fields["path"] in HEALTH else logging.INFO
    logger.log(level, "%s %r %d", fields["method"], fields["path"], fields["status"], extra=fields)


def log_requests(style: str = "auto") -> None:
    """Log requests and warnings to stderr, in one format.

    Parameters
    ----------
    style
        ``json``, ``text``, or ``auto``: text where stderr is a terminal.
    """
    if style == "auto":
        style = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if style == "json" else _Text("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)  # of every logger
    logging.getLogger("bottlebank.service").setLevel(logging.INFO)


class _Json(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=True,
        )

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        return without_keys(super().format(record))


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A line, and what else belongs to it."""
        return without_keys(super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name of logging)
        """A traceback, whose last lines may quote what a client sent."""
        return "\n".join(map(shown, super().formatException(ei).split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name of logging)
        """A request's id and time follow what happened; one line, whatever it quotes."""
        line = shown(super().formatMessage(record))
        details = [
            f"{name}={value}"
            for name in ("milliseconds", "images", "key", "code", "client", "request_id")
            if (value := getattr(record, name, None)) is not None
        ]
        return " ".join([line, *details])
