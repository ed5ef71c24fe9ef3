"""The service, deadline and parameters of the current request."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from flask import current_app, request

from ..untrusted.terminal import quote
from .errors import DeadlineError, RefusedError

if TYPE_CHECKING:
    from .service import Service

SERVICE = "bottlebank.service"
"""Key of the `Service` in `app.extensions`."""
HOSTS = "bottlebank.hosts"
"""Key of the `Hosts` in `app.extensions`."""
ARRIVED = "bottlebank.arrived"
"""Key in the WSGI environment: when the last byte of the request arrived."""
DROPPED = "bottlebank.dropped"
"""Key in the WSGI environment: whether the body was dropped, since its sender was not known."""
HEALTH = ("/healthz", "/readyz", "/metrics")
"""Polled by machines every few seconds: these do not wait behind images, and are not logged."""
PAGES = ("/", "/docs", "/openapi.json")
"""What a browser shows. With their files, they do not wait behind images either."""
_PARTS_OF_PAGES = ("/static/", "/docs/")


def is_page(method: str, path: str) -> bool:
    """Whether a request is for a page, or a file that one loads."""
    return method in ("GET", "HEAD") and (path in PAGES or path.startswith(_PARTS_OF_PAGES))


def current_service() -> Service:
    """The service of the current app."""
    return current_app.extensions[SERVICE]


def arrived() -> float:
    """When this request arrived, by `time.monotonic`."""
    return request.environ.setdefault(ARRIVED, time.monotonic())


def deadline() -> float:
    """When this request is given up, by `time.monotonic`.

    Raises
    ------
    DeadlineError
        When that has passed: the client may be gone, and others wait.
    """
    when = arrived() + current_service().settings.deadline_s
    if time.monotonic() > when:
        raise DeadlineError
    return when


def milliseconds() -> float:
    """Since this request arrived."""
    return round(1000 * (time.monotonic() - arrived()), 1)


def check_parameters(*names: str) -> None:
    """Refuse a query with other parameters: a misspelt one would be ignored silently.

    Raises
    ------
    RefusedError
        When there is another.
    """
    for name in request.args:
        if name not in names:
            takes = " and ".join(names) or "no parameters"
            raise RefusedError(
                "unknown_parameter",
                f"the query has {quote(name)}; {request.path} takes {takes}",
            )


def whole_number(name: str, default: int, most: int, why: str) -> int:
    """A number from the query, 1 to `most`.

    Raises
    ------
    RefusedError
        When it is out of range, or not a whole number.
    """
    texts = request.args.getlist(name)
    if not texts:
        return min(default, most)
    text = texts[0] if len(texts) == 1 else ", ".join(texts)
    if len(texts) == 1 and re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= most:
        return int(text)
    raise RefusedError(
        f"invalid_{name}",
        f"{name}: expected a whole number from 1 to {most} ({why}), received {text[:20]!r}",
    )
