"""Proxies in front of the server: the path under which they offer it, and what they forward."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_FORWARDED = ("FOR", "HOST", "PORT", "PREFIX", "PROTO", "BY")


def read_prefix(text: str, of: str = "") -> str:
    """A path such as `/photos`, without a slash at its end; empty for none.

    Raises
    ------
    UsageError
        When it is something else.
    """
    prefix = text.rstrip("/")
    if prefix and not _is_prefix(prefix):
        raise UsageError(
            f"{of and f'{of}: '}expected a path such as /photos, of letters, digits and . _ ~ -; "
            f"received {text!r}"
        )
    return prefix


def _is_prefix(text: str) -> bool:
    parts = text.split("/")
    return bool(_PREFIX.fullmatch(text)) and "." not in parts and ".." not in parts


def read_network(text: str, of: str = "") -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address, or a network such as `10.0.0.0/8`.

    Raises
    ------
    UsageError
        When it is something else.
    """
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UsageError(
            f"{of and f'{of}: '}expected an IP address such as 10.0.0.7, or a network such as "
            f"10.0.0.0/8; received {text!r}"
        ) from None


class Proxies:
    """What a request is, seen from the client's side of the proxies.

    Parameters
    ----------
    trusted
        Addresses and networks of proxies whose `X-Forwarded-*` count. Those of others are ignored.
    prefix
        The path under which a proxy offers the server. Requests may come with it or without.

    Raises
    ------
    UsageError
        When one of them is invalid.
    """

    def __init__(self, trusted: Iterable[str] = (), prefix: str = "") -> None:
        """Nobody is trusted by default."""
        self._trusted = [read_network(entry) for entry in trusted]
        self._prefix = read_prefix(prefix)

    def path_within(self, path: str, peer: str, forwarded_prefix: str) -> str:
        """The path of a request without the prefix."""
        return _within(path, self._prefix_of(peer, forwarded_prefix))

    def translate(self, environ: dict[str, Any]) -> None:
        """Make the WSGI environment what it would be without proxies.

        Of several values of a header, the last counts, which the nearest proxy has set; of
        `X-Forwarded-For`, the last that is not a trusted proxy.
        """
        forwarded = {name: environ.pop(f"HTTP_X_FORWARDED_{name}", "") for name in _FORWARDED}
        environ.pop("HTTP_FORWARDED", None)
        peer = environ.get("REMOTE_ADDR", "")
        prefix = self._prefix_of(peer, forwarded["PREFIX"])
        if self._trusts(peer):
            environ["REMOTE_ADDR"] = self.client(peer, forwarded["FOR"])
            scheme = _last(forwarded["PROTO"]).lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            host = _last(forwarded["HOST"])
            if host:
                environ["HTTP_HOST"] = host
        environ["PATH_INFO"] = _within(environ.get("PATH_INFO", ""), prefix)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix

    def client(self, peer: str, forwarded_for: str) -> str:
        """The address of the client of a request that came from `peer`."""
        client = peer
        for text in reversed(forwarded_for.split(",") if self._trusts(peer) else ()):
            parsed = _address(text.strip())
            if parsed is None:
                break  # "unknown", or what nobody can have sent honestly
            client = str(parsed)
            if not self._trusts(client):
                break
        return client

    def _prefix_of(self, peer: str, forwarded: str) -> str:
        prefix = _last(forwarded).rstrip("/")
        return prefix if prefix and self._trusts(peer) and _is_prefix(prefix) else self._prefix

    def _trusts(self, address: str) -> bool:
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _within(path: str, prefix: str) -> str:
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/"
    return path


def _last(values: str) -> str:
    return values.rpartition(",")[2].strip()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with or without a port; one of IPv4 that is written as IPv6 is of IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
