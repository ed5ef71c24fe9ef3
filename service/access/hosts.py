"""Protection against pages of other sites that reach the server through its user's browser.

A page on the internet can point its own name to 127.0.0.1 (DNS rebinding), and then has the same
origin as this server. Its requests still carry that name in `Host`. A numeric address cannot be
rebound.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import UsageError
from ...untrusted.terminal import quote
from ...untrusted.urls import read_entry
from ..errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .origins import Origins

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^\[\]:/@\s]{1,253})(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def read_allowed_host(entry: str, of: str = "") -> tuple[str, bool] | None:
    """As `read_entry`; None for `*` and for an address, which is allowed in any case."""
    return None if entry == "*" or _is_address(entry) else read_entry(entry, of)


class Hosts:
    """The values of `Host` that a server accepts.

    Parameters
    ----------
    allowed
        Names, `*.example.com` for all below one, `*` for all. Pages of names that are listed may
        send requests, since a proxy may replace `Host`; `*` lists none.
    origins
        Pages of other sites that may send requests.

    Raises
    ------
    UsageError
        When one is not a host name.
    """

    def __init__(self, allowed: Iterable[str] = (), origins: Origins | None = None) -> None:
        """`localhost` and numeric addresses are always allowed."""
        self._origins = origins
        allowed = tuple(allowed)
        self._all = "*" in allowed
        found = [read_allowed_host(entry) for entry in allowed]
        self._entries = [entry for entry in found if entry is not None]

    def allow(self, host: str) -> None:
        """Accept the host that the server listens on; an address is accepted in any case."""
        with contextlib.suppress(UsageError):
            self._entries.append(read_entry(host))

    def __str__(self) -> str:
        """For the message at the start."""
        if self._all:
            return "it answers to every host name"
        names = {f"*.{name}" if below else name for name, below in self._entries} - {"localhost"}
        if names:
            return f"it answers to localhost, to IP addresses, and to {', '.join(sorted(names))}"
        return "it answers to localhost and to IP addresses; --allowed-hosts adds other names"

    def check(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuse a request of another site's page.

        Raises
        ------
        RefusedError
            With 421 for a `Host` that is not allowed, with 403 for such an `Origin`.
        """
        host = headers.get("Host")
        # Every browser sends it; HTTP/1.0 health probes do not.
        if host and not self._has(host):
            raise RefusedError(
                "host_not_allowed",
                f"this server does not answer as {quote(host)}; use its numeric address or "
                f"localhost, or start it with --allowed-hosts {_suggestion(host)}",
                status=421,
            )
        if method in ("GET", "HEAD", "OPTIONS"):
            return  # changes nothing, and no page of another origin can read the answer
        origin = headers.get("Origin")
        if origin is None:
            foreign = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        else:
            foreign = not self._is_own(origin, host or "")
        if foreign and not (self._origins is not None and self._origins.allow(origin)):
            raise RefusedError(
                "origin_not_allowed",
                f"this request comes from a page of another site, {quote(origin or 'unnamed')}; "
                f"if that is a proxy in front of this server, start it with --allowed-hosts and "
                f"the proxy's name; if that page may use it, with --cors-origins and its origin",
                status=403,
            )

    def _has(self, host: str) -> bool:
        matched = _HOST.fullmatch(host)
        if matched is None:
            return False
        name = matched[1].lower().removesuffix(".")
        return (
            name == "localhost"
            or name.endswith(".localhost")
            or _is_address(name)
            or self._all
            or self._is_listed(name)
        )

    def _is_listed(self, name: str) -> bool:
        return any(
            name.endswith(f".{entry}") if below else name == entry for entry, below in self._entries
        )

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether the page was loaded from this server or its proxy."""
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
            return False  # "null", of sandboxed frames and files
        default = f":{_DEFAULT_PORTS[parts.scheme]}"
        same = parts.netloc.removesuffix(default) == host.lower().removesuffix(default)
        return same or self._is_listed((parts.hostname or "").removesuffix("."))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _suggestion(host: str) -> str:
    matched = _HOST.fullmatch(host)
    return quote(matched[1].lower()).strip("'\"") if matched else "NAME"
