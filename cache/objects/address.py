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
_PASSWORD = re.compile(r"//[^/@]*@")


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


def without_password(text: str) -> str:
    """A text in which no URL has a user or a password."""
    return _PASSWORD.sub("//", text)


def address_of(place: object) -> Address | None:
    """The address that a URL names; None for everything else, such as the path of a folder.

    Raises
    ------
    UsageError
        When it is a URL that no cache can have.
    """
    if isinstance(place, PurePath):
        if _OF_A_PATH.match(str(place)) and not Path(place).exists():
            raise UsageError(
                f"expected the URL of a cache as text, received {received(str(place))}: a path has "
                f"lost one of its slashes"
            )
        return None
    found = _URL.fullmatch(place) if isinstance(place, str) else None
    if found is None:
        return None
    protocol, rest = found[1].lower(), found[2]
    shown = received(without_password(f"{protocol}://{rest}"))
    if protocol in ("file", "local"):
        raise UsageError(f"a cache in a folder is named by its path alone, not by {shown}")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if at and (":" in user or protocol in S3):
        raise UsageError(
            f"the URL of a cache holds no password: name {shown}, and have the credentials where "
            f"fsspec looks for them, such as in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    names = [name for name in rest.split("/") if name]
    unfit = any(name in (".", "..") for name in names) or re.search(r"[?#\x00-\x1f]", rest)
    if not names or unfit or (protocol in S3 and rest.startswith("/")):
        raise UsageError(f"expected a URL such as s3://bucket/prefix, received {shown}")
    return Address(protocol, "/".join(names))
