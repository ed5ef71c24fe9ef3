"""URLs and host names as people write them, in the one way in which they are compared and sent."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

from ..errors import BottlebankError, UsageError
from .terminal import quote

PORTS = {"http": 80, "https": 443}
MAX_URL_LENGTH = 2048
INSTEAD = "send the image itself instead"

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# No top-level domain is a number, and every notation of an IPv4 address ends in one: 127.1, 0x7f.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class FetchError(BottlebankError, ValueError):
    """A URL that is not fetched.

    Parameters
    ----------
    code
        Stable, snake_case; what a program compares.
    message
        The reason, without anything that the other server sent.
    """

    def __init__(self, code: str, message: str) -> None:
        """The message is that of the exception, too."""
        super().__init__(message)
        self.code = code
        self.message = message


def read_url(url: str) -> tuple[str, str, str]:
    """The scheme, the canonical host name and the request target of a URL.

    Raises
    ------
    FetchError
        With the code `invalid_url`.
    """
    if len(url) > MAX_URL_LENGTH:
        _invalid(f"{len(url):,} characters; at most {MAX_URL_LENGTH:,} are accepted")
    # Before urlsplit, which deletes some of these without a word.
    if not url.isprintable() or any(character in url for character in " \\"):
        _invalid(f"a space, control character or backslash in {quote(url)}; percent-encode it")
    try:
        parts = urlsplit(url)
    except ValueError:
        _invalid(f"{quote(url)}; expected http://host/path or https://host/path")
    if parts.scheme not in PORTS:
        _invalid(f"{quote(url)}; expected http://host/path or https://host/path")
    if "@" in parts.netloc:
        _invalid("a user name or password before the host; leave it out")
    name, colon, port = parts.netloc.partition(":")
    try:
        host = _canonical(name)
    except ValueError as error:
        _invalid(f"{quote(parts.netloc)} as its host: {error}")
    if colon and port != str(PORTS[parts.scheme]):
        _invalid(
            f"another port than {PORTS[parts.scheme]}, the only one that is accepted with "
            f"{parts.scheme}; leave it out"
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        _invalid("a path or query that is not ASCII; percent-encode it")
    return parts.scheme, host, target


def read_entry(entry: str, of: str = "") -> tuple[str, bool]:
    """The name of an entry of the list `of` hosts, and whether it means those below that name."""
    below = entry.startswith("*.")
    try:
        return _canonical(entry[2:] if below else entry), below
    except ValueError as error:
        raise UsageError(
            f"{of and f'{of}: '}expected a host name such as images.example.com or *.example.com, "
            f"without scheme, port or path; received {entry!r}: {error}"
        ) from None


def _canonical(name: str) -> str:
    """The one way in which a host name is compared, looked up and sent; `ValueError` with why."""
    labels = name.removesuffix(".").split(".")
    for i, label in enumerate(labels):
        if not label.isascii() and len(label) <= 63:
            try:
                labels[i] = label.encode("idna").decode("ascii")
            except UnicodeError:
                raise ValueError("not a host name") from None
            # Fullwidth digits, dots and letters, ß and joiners become plain ASCII; nobody types
            # those for a good reason.
            if not labels[i].startswith("xn--") or "." in labels[i]:
                raise ValueError("letters that only look like a host name")
    host = ".".join(labels).lower()
    if _NUMBER.fullmatch(labels[-1].lower()) or "[" in name or ":" in name:
        raise ValueError("expected a host name, not an IP address or port")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("not a host name")
    return host


def _invalid(received: str) -> NoReturn:
    raise FetchError("invalid_url", f"the url of an image cannot be fetched: it has {received}")
