"""Whether a request may be answered: its key, the role of that, and how many came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app, g, request

from .access.key_file import KeyFile
from .access.keys import HEADERS, is_key_in_query, sent_key
from .access.rate_limit import RateLimiter, client_of_address, read_rate
from .errors import RefusedError
from .request_context import DROPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

    from .access.keys import Key
    from .settings import Settings

ADMISSION = "bottlebank.admission"
"""Key of the `Admission` in `app.extensions`."""
_OPEN = {
    "admin.healthz",
    "admin.readyz",
    "images.page",
    "openapi.description",
    "openapi.docs",
    "openapi.docs_file",
    "static",
}
"""What everyone may request, and as often as they like: probes send no key, and a page has to be
there before its user can type one."""
_ADMIN = {"admin.activate", "admin.roll_back"}
_REALM = 'Bearer realm="bottlebank"'


class Admission:
    """The keys and rate limits of an app.

    Raises
    ------
    UsageError
        When the file of keys, or the rate limit, cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the keys."""
        self._keys = None if settings.keys is None else KeyFile(settings.keys)
        self._rate = None if settings.rate_limit is None else read_rate(settings.rate_limit)
        self._limiter = RateLimiter()

    @property
    def needs_key(self) -> bool:
        """Whether there are keys."""
        return self._keys is not None

    def __str__(self) -> str:
        """For the message at the start."""
        if self._keys is None:
            return "it answers everyone who reaches it; --keys FILE restricts that"
        return f"it answers requests with a key, of which it knows {len(self._keys)}"

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may come from someone who is known, by waitress's form of its headers.

        The body of another is not kept: it will be refused, and strangers must not fill the memory.
        """
        if self._keys is None:
            return True
        sent = sent_key({name.replace("_", "-").title(): text for name, text in headers.items()})
        return sent is not None and self._keys.find(sent) is not None

    def check(self) -> None:
        """Refuse the current request where its key, its role or its rate does not suffice.

        Raises
        ------
        RefusedError
            With 400 for a key in the query, 401 without a valid key, 403 without the role, 429
            beyond the rate.
        """
        if is_key_in_query(request.args.items(multi=True)):
            raise RefusedError(
                "key_in_query",
                f"the query has what looks like a key, which logs and browsers would keep; send "
                f"it in a header: {HEADERS}",
            )
        if request.method == "OPTIONS" or request.endpoint is None or request.endpoint in _OPEN:
            return
        sent = sent_key(dict(request.headers)) if self._keys is not None else None
        # A body that was dropped decides: its key may have been added after the headers came.
        key = None
        if self._keys is not None and sent is not None and not request.environ.get(DROPPED):
            key = self._keys.find(sent)
        self._limit(key)
        if self._keys is not None:
            _require(key, sent is not None)

    def _limit(self, key: Key | None) -> None:
        rate = self._rate if key is None or key.rate is None else key.rate
        if rate is None:
            return
        client = client_of_address(request.remote_addr or "") if key is None else f"key {key.name}"
        allowance = self._limiter.take(client, rate)
        g.headers = allowance.headers()
        if allowance.wait_s:
            raise RefusedError(
                "rate_limited",
                f"more than {rate} requests; the next is accepted in {allowance.wait_s:.2g} s",
                status=429,
            )


def _require(key: Key | None, has_sent: bool) -> None:
    if key is None:
        error = ', error="invalid_token"' if has_sent else ""
        g.headers = {**g.get("headers", {}), "WWW-Authenticate": _REALM + error}
        raise RefusedError(
            "key_invalid" if has_sent else "key_required",
            f"{'this key is not valid' if has_sent else 'a key is needed'}; send yours as "
            f"{HEADERS}; `bottlebank keys add` makes one",
            status=401,
        )
    g.key = key.name
    if request.endpoint in _ADMIN and key.role != "admin":
        challenge = f'{_REALM}, error="insufficient_scope", scope="admin"'
        g.headers = {**g.get("headers", {}), "WWW-Authenticate": challenge}
        raise RefusedError(
            "role_required", f"this route needs a key of the role admin, not {key.role}", status=403
        )


def admit_requests(app: Flask, settings: Settings) -> None:
    """Have an app check each request, and say in its answer what of the rate is left."""
    admission = app.extensions[ADMISSION] = Admission(settings)
    app.before_request(admission.check)

    @app.after_request
    def _say(response: Response) -> Response:
        response.headers.update(g.get("headers", {}))
        return response


def needs_key() -> bool:
    """Whether the current app needs keys."""
    return current_app.extensions[ADMISSION].needs_key
