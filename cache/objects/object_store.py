"""One object store, through fsspec: the few calls that a cache makes, and their errors."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import LibraryNotFoundError, UsageError
from ...extras import how_to_install
from ...fork_safety import import_whole, not_while_forking
from . import s3
from .address import without_secrets
from .failures import translated

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .address import Address

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_SLOWEST_BYTES_PER_S = 1 << 16
_LEAST_S = 60.0
_ATTEMPTS = 3


class Entry(NamedTuple):
    """One object or folder of a listing."""

    name: str
    n_bytes: int
    modified_s: float
    """By the store's clock, in seconds since 1970; 0 where it does not say."""


class ObjectStore:
    """The objects below one address. Safe to use from threads, and in a forked process.

    Raises
    ------
    LibraryNotFoundError
        On creation, when what speaks the protocol is not installed.
    CacheUnreachableError
        On every call, when the store does not answer or does not let in.
    """

    def __init__(self, address: Address, *, waits: bool = True) -> None:
        """Nothing is connected yet; `waits` as in `CacheFolder`."""
        self.address, self._waits = address, waits
        self._opened: tuple[int, Any] | None = None
        self._fsspec = _library(address)
        self.base = self._filesystem()._strip_protocol(address.url).rstrip("/")

    def list(self, path: str) -> list[Entry]:
        """What is directly in a folder; nothing where it is not there."""
        try:
            with self._call() as files:
                files.invalidate_cache()
                found = files.ls(path, detail=True, refresh=True)
        except FileNotFoundError:
            return []
        # Some tools put an empty object in the place of a folder.
        return [_entry(info) for info in found if str(info["name"]).rstrip("/") != path]

    def status(self, path: str) -> Entry:
        """Of one object."""
        with self._call() as files:
            files.invalidate_cache()
            return _entry(files.info(path))

    def read(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Ranges, (offset, number of bytes), all at once; shorter where the object ends."""
        for left in range(_ATTEMPTS - 1, -1, -1):
            try:
                with self._call() as files:
                    starts = [offset for offset, _ in ranges]
                    ends = [offset + n_bytes for offset, n_bytes in ranges]
                    if len(ranges) == 1:
                        return [files.cat_file(path, start=starts[0], end=ends[0])]
                    paths = [path] * len(ranges)
                    return files.cat_ranges(paths, starts, ends, on_error="raise")
            except OSError as error:
                if s3.is_behind_the_end(error):
                    return [b""] * len(ranges)
                if not left or not s3.was_cut(error):
                    raise
        return []

    def put(self, path: str, data: bytes, *, replace: bool) -> None:
        """Write an object whole.

        Raises
        ------
        FileExistsError
            When there is one and `replace` is not set.
        """
        settings: dict[str, Any] = {"mode": "overwrite" if replace else "create"}
        with self._call() as files:
            if files.async_impl:  # nothing else ends a write to a server that stops reading
                settings["timeout"] = _LEAST_S + len(data) / _SLOWEST_BYTES_PER_S
            files.pipe_file(path, data, **settings)

    def delete(self, path: str, within_s: float | None = None) -> None:
        """Remove an object; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError), self._call() as files:
            settings = {"timeout": within_s} if within_s and files.async_impl else {}
            files.rm_file(path, **settings)

    def find(self, path: str) -> Sequence[str]:
        """The paths of all objects in a folder and below, or of the object itself."""
        try:
            with self._call() as files:
                files.invalidate_cache()
                return files.find(path)
        except FileNotFoundError:
            return []

    def abort_uploads(self, path: str) -> None:
        """End what killed writers began to upload in parts below a folder."""
        if self.address.is_s3:
            with self._call() as files:
                s3.abort_uploads(files, path)

    def probe_parts(self, path: str) -> bool:
        """Whether an upload in parts leaves an object that is there as it is."""
        if not self.address.is_s3:
            return True
        with self._call() as files:
            return s3.parts_are_conditional(files, path)

    def is_sent_in_parts(self, n_bytes: int) -> bool:
        """Whether an object of this size is."""
        return self.address.is_s3 and n_bytes >= s3.IN_PARTS_FROM_BYTES

    @contextlib.contextmanager
    def _call(self) -> Generator[Any]:
        """The file system; what it raises is translated."""
        files = self._filesystem()
        try:
            yield files
        except Exception as error:
            raise translated(error, self.address, self._endpoint(files)) from error

    def _filesystem(self) -> Any:
        with not_while_forking:
            if self._opened is None or self._opened[0] != os.getpid():
                options = s3.options(self._fsspec, waits=self._waits) if self.address.is_s3 else {}
                # fsspec keeps it for the next that opens this address: to connect takes long.
                files = self._fsspec.filesystem(
                    self.address.protocol, use_listings_cache=False, **options
                )
                if self.address.is_s3:
                    files.retries = 1  # botocore does, and each of these would do all of its own
                self._opened = os.getpid(), files
            return self._opened[1]

    def _endpoint(self, files: Any) -> str:
        meta = getattr(getattr(files, "_s3", None), "meta", None)
        given = getattr(files, "endpoint_url", None)
        found = getattr(meta, "endpoint_url", None) or given
        return without_secrets(str(found or f"the server of {self.address.protocol}://"))


def _entry(info: dict[str, Any]) -> Entry:
    time = next((info[key] for key in _TIMES if info.get(key) is not None), 0.0)
    if isinstance(time, str):
        with contextlib.suppress(ValueError):
            time = datetime.fromisoformat(time)
    modified_s = time.timestamp() if isinstance(time, datetime) else 0.0
    if isinstance(time, (int, float)):
        modified_s = float(time)
    name = str(info["name"]).rstrip("/").rpartition("/")[2]
    return Entry(name, int(info.get("size") or 0), modified_s)


def _library(address: Address) -> Any:
    """The module fsspec, which has what speaks the protocol."""
    try:
        fsspec = import_whole("fsspec")
        with not_while_forking:
            fsspec.get_filesystem_class(address.protocol)
    except ImportError as error:
        needed = f"s3fs: {how_to_install('s3')}" if address.is_s3 else f"a package: {error}"
        raise LibraryNotFoundError(f"a cache at {address.protocol}:// needs {needed}") from error
    except ValueError as error:
        raise UsageError(
            f"fsspec knows no protocol {address.protocol}://: expected a URL such as "
            f"s3://bucket/prefix"
        ) from error
    return fsspec
