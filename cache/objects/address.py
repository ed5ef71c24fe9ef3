"""URLs of caches on object storage: which are taken, and where on this machine their files lie."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

import platformdirs

from ...arguments import received
from ...errors import UsageError

S3 = ("s3", "s3a")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_OF_A_PATH = re.compile(r"([a-z][a-z0-9+.-]+):/[^/]")
_AZURE = ("abfs", "abfss")
_CONTAINER_AND_ACCOUNT = re.compile(r"[^:@]+@[^:@]+")
_USER = re.compile(r"//[^\s'\"]*@|//[^/@]*@")
_SIGNATURE = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")


class ObjectPath(PurePosixPath):
    """A URL that is joined as paths are, and shown as it is written."""

    __slots__ = ()

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)


class Address(NamedTuple):
    """Where a cache on object storage is."""

    protocol: str
    path: str
    """Of S3, the bucket and the prefix in it."""

    @property
    def url(self) -> str:
        """What is typed."""
        return f"{self.protocol}://{self.path}"

    @property
    def where(self) -> ObjectPath:
        """The same, to be joined with names."""
        return ObjectPath(self.url)

    @property
    def is_s3(self) -> bool:
        """Whether it is S3, or speaks its language."""
        return self.protocol in S3

    @property
    def local_folder(self) -> Path:
        """The folder of what is kept of it on this machine."""
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", self.url)[:60].strip("-.")
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        return platformdirs.user_cache_path("bottlebank") / "objects" / f"{readable}-{digest}"


def without_secrets(text: str) -> str:
    """A text in which no URL has a user, a password, or what follows ``?`` or ``#``."""
    return _SIGNATURE.sub(r"\1", _USER.sub("//", text))


def address_of(place: object) -> Address | None:
    """The address that a URL names; None for everything else, such as the path of a folder.

    Raises
    ------
    UsageError
        When it is a URL that no cache can have.
    """
    if isinstance(place, PurePath):
        if _OF_A_PATH.match(str(place)) and not Path(place).exists():
            protocol, _, rest = str(place).partition(":/")
            shown = received(_shown(protocol, rest).replace("://", ":/", 1))
            raise UsageError(
                f"expected the URL of a cache as text, received {shown}: a path has lost one of "
                f"its slashes"
            )
        return None
    found = _URL.fullmatch(place) if isinstance(place, str) else None
    if found is None:
        return None
    protocol, rest = found[1].lower(), found[2]
    shown = received(_shown(protocol, rest))
    if protocol in ("file", "local"):
        raise UsageError(f"a cache in a folder is named by its path alone, not by {shown}")
    if _may_hold_secret(protocol, rest):
        raise UsageError(
            f"the URL of a cache holds no password: name {shown}, and have the credentials where "
            f"fsspec looks for them, such as in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    names = [name for name in rest.split("/") if name]
    unfit = any(name in (".", "..") for name in names) or re.search(r"[?#\x00-\x1f]", rest)
    if not names or unfit or (protocol in S3 and rest.startswith("/")):
        what = ", without what follows ? or #" if re.search("[?#]", rest) else ""
        raise UsageError(f"expected a URL such as s3://bucket/prefix{what}, received {shown}")
    return Address(protocol, "/".join(names))


def _may_hold_secret(protocol: str, rest: str) -> bool:
    """Whether there is a user, a password or a token in what follows ``//``.

    Secret keys of S3 hold slashes, so that one may be anywhere in it.
    """
    if protocol in S3:
        return "@" in rest or ":" in rest
    host = rest.partition("/")[0]
    if protocol in _AZURE and _CONTAINER_AND_ACCOUNT.fullmatch(host):
        return False
    return "@" in host or (":" in host and "@" in rest)


def _shown(protocol: str, rest: str) -> str:
    """A URL for a message; where it is not clear which of it is secret, none of it."""
    if not _may_hold_secret(protocol, rest):
        return f"{protocol}://{re.split('[?#]', rest, maxsplit=1)[0]}"
    found = rest.rpartition("@")[2]
    is_clear = "@" in rest and ":" not in found and not re.search("[?#]", rest)
    return f"{protocol}://{found if is_clear else '…'}"
