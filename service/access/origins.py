"""Pages of other sites that may use the service: CORS by a list of their origins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import UsageError
from ...untrusted.urls import read_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ENTRY = re.compile(r"(https?)://([^/:@\s]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_PREFLIGHT_S = 600
_METHODS = "GET, HEAD, POST"
_SENT = "Authorization, Content-Type, X-API-Key, X-Request-ID"
_READ = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-ID"


def read_origin(entry: str, of: str = "") -> tuple[str, str, str] | None:
    """Scheme, host (`*.example.com` for all below one) and port of an origin; None for `*`.

    Raises
    ------
    UsageError
        When it is something else.
    """
    if entry == "*":
        return None
    matched = _ENTRY.fullmatch(entry)
    if matched is None:
        raise UsageError(
            f"{of and f'{of}: '}expected an origin such as https://app.example.com or "
            f"http://localhost:3000, without a path; received {entry!r}"
        )
    scheme, host = matched[1].lower(), matched[2].lower()
    if not (host.startswith("[") or re.fullmatch(r"[0-9.]+", host)):
        name, below = read_entry(host, of)
        host = f"*.{name}" if below else name
    return scheme, host, matched[3] or _DEFAULT_PORTS[scheme]


class Origins:
    """Origins whose pages may send requests and read the answers.

    Credentials of a browser, such as cookies, are never permitted: a page sends its key itself.

    Parameters
    ----------
    allowed
        `https://app.example.com`, `https://*.example.com` for all below, `*` for all.

    Raises
    ------
    UsageError
        When one is not an origin.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """None are allowed by default."""
        entries = [read_origin(entry) for entry in allowed]
        self._all = None in entries
        self._entries = [entry for entry in entries if entry is not None]

    def allow(self, origin: str | None) -> bool:
        """Whether a page of this origin may use the service."""
        if origin is None:
            return False
        if self._all:
            return True
        try:
            parts = urlsplit(origin.lower())
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, "")
        except ValueError:
            return False
        host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
        return any(
            (scheme, each_port) == (parts.scheme, str(port))
            and (host.endswith(name[1:]) if name.startswith("*.") else host == name)
            for scheme, name, each_port in self._entries
        )

    def headers(self, request: Mapping[str, str]) -> dict[str, str]:
        """Headers of the answer to a request: one header for all, and more for allowed pages."""
        if not (self._all or self._entries):
            return {}
        headers = {"Vary": "Origin"}  # caches must not give one origin's answer to another
        origin = request.get("Origin")
        if not self.allow(origin):
            return headers
        headers["Access-Control-Allow-Origin"] = "*" if self._all else str(origin)
        if "Access-Control-Request-Method" in request:
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = _SENT
            headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        else:
            headers["Access-Control-Expose-Headers"] = _READ
        return headers
