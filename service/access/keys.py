"""API keys: how one is made, what is kept of it, and how requests carry it.

SHA-256 of each key is kept. That is enough because a key is 256 random bits: nobody can guess
one, however fast the hash is. Slow hashes, such as scrypt, protect passwords that people choose;
here they would only let strangers keep the processor busy.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .rate_limit import Rate

ROLES = ("predict", "admin")
"""What keys are for; an admin's may do all that those for `predict` may."""
KEY = re.compile(r"bb_[A-Za-z0-9_-]{43}")
"""Every key is of this form. One that somebody chose would be worth less than its hash promises."""
HEADERS = "Authorization: Bearer KEY, or X-API-Key: KEY"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_BEARER = re.compile(r"bearer +", re.IGNORECASE)
# In a URL, a key would be kept by proxies, logs and browsers.
_NAMES_IN_QUERIES = frozenset(
    ("key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "authorization")
)


class Key(NamedTuple):
    """What is known of a key."""

    name: str
    """Of whoever has it: the log and `bottlebank keys list` show it."""
    role: str
    digest: str
    """SHA-256 of the key, in hexadecimal digits."""
    rate: Rate | None = None
    """Its own rate limit."""

    def __str__(self) -> str:
        """Its line in a file."""
        return " ".join([self.name, self.role, self.digest, *([str(self.rate)] * bool(self.rate))])


def make_key(name: str, role: str, rate: Rate | None = None) -> tuple[str, Key]:
    """Make a key of 256 random bits.

    Returns
    -------
    str
        The key, which is not kept anywhere.
    Key
        What a file keeps of it.

    Raises
    ------
    UsageError
        When the name or the role is invalid.
    """
    check_entry(name, role)
    key = f"bb_{secrets.token_urlsafe(32)}"
    return key, Key(name, role, digest_of(key), rate)


def check_entry(name: str, role: str) -> None:
    """Refuse a name or a role that is invalid, with UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "name: expected up to 64 letters, digits and . _ @ -, the first a letter or digit"
        )
    if role not in ROLES:
        raise UsageError(f"role: expected one of {', '.join(ROLES)}")


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def sent_key(headers: Mapping[str, str]) -> str | None:
    """The key that the headers of a request carry; None where there is none.

    `X-API-Key` counts before `Authorization`, which a proxy may use for its own users.
    """
    if "X-Api-Key" in headers:
        return headers["X-Api-Key"].strip()
    authorization = headers.get("Authorization", "")
    scheme = _BEARER.match(authorization)
    return authorization[scheme.end() :].strip() if scheme else None


def is_key_in_query(query: Iterable[tuple[str, str]]) -> bool:
    """Whether a query has a parameter that is a key, or is called like one."""
    return any(
        name.lower() in _NAMES_IN_QUERIES or KEY.search(name) or KEY.search(value)
        for name, value in query
    )


def without_keys(text: str) -> str:
    """A text for the log or an answer, with a mark in place of each key."""
    return KEY.sub("bb_***", text)
