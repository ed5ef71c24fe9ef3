"""Storage in an object store: a name appears by a put that the store refuses where there is one."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import time
from typing import TYPE_CHECKING, Any

from ...errors import CacheError, CacheUnreachableError
from ..shards.shard_name import ShardName
from ..storage import BlobStatus
from .blob import READ_AHEAD_BYTES, ObjectBlob
from .copies import Copies
from .failures import is_conflict
from .lease import Lease
from .object_store import Entry, ObjectStore

if TYPE_CHECKING:
    import io
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from ..storage import Blob
    from .address import Address, ObjectPath

_PROBE = "PROBE"
_COPIED_AT_ONCE = 1 << 22
_PARTS_AT_ONCE = 4
_READERS = 8
_PUTS = 5
_RANDOM = random.SystemRandom()  # another in each process, however they were seeded

logger = logging.getLogger(__name__)


class _Shared:
    """What the storage of an address and those of its folders have in common."""

    def __init__(self, address: Address, *, waits: bool) -> None:
        local = address.local_folder
        self.address = address
        self.store = ObjectStore(address, waits=waits)
        self.copies = Copies(local / "copies")
        self.signs = local / "locks"
        self.is_probed = False
        self.are_parts_probed = False


class ObjectStorage:
    """See `Storage`. Shards, which never change, are copied to this machine as they are used."""

    n_readers = _READERS

    def __init__(self, where: ObjectPath, shared: _Shared, folder: str = "") -> None:
        """As `open_objects` makes it; `folder` is the path below the address."""
        self.where = where
        self._shared, self._store, self._folder = shared, shared.store, folder
        self._listed: dict[str, Entry] = {}
        self._lease: Lease | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process, maybe on another machine: the same folder, with nothing held."""
        return _opened_again, (self._shared.address, self._folder)

    def below(self, name: str) -> ObjectStorage:
        """See `Storage.below`."""
        return ObjectStorage(self.where / name, self._shared, self._inside(name))

    def list(self) -> list[str]:
        """See `Storage.list`."""
        entries = self._store.list(self._path())
        self._listed = {entry.name: entry for entry in entries if ShardName.parse(entry.name)}
        return [entry.name for entry in entries]

    def status(self, name: str) -> BlobStatus:
        """See `Storage.status`; of shards, by the last list."""
        entry = self._listed.get(name) or self._store.status(self._path(name))
        return BlobStatus(entry.n_bytes, entry.modified_s)

    def open(self, name: str) -> Blob:
        """See `Storage.open`."""
        if file := self._copies_of(name) and self._shared.copies.open(self._inside(name)):
            return file
        path = self._path(name)
        [head] = self._store.read(path, [(0, READ_AHEAD_BYTES)])
        n_bytes = len(head) if len(head) < READ_AHEAD_BYTES else self.status(name).n_bytes

        def whole(about_bytes: int) -> io.FileIO | None:
            copies, inside = self._copies_of(name), self._inside(name)
            if copies is None or not copies.is_worth(inside, about_bytes, n_bytes):
                return None
            try:
                parts = [head] if len(head) == n_bytes else self._parts(path, n_bytes)
                if copies.keep(inside, parts):
                    return copies.open(inside)
            except CacheUnreachableError:
                raise
            except OSError as error:  # a full disk, or a folder that cannot be written
                logger.info("%s is not copied: %s", self.where / name, error)
            return None

        return ObjectBlob(head, n_bytes, lambda ranges: self._store.read(path, ranges), whole)

    def local_path(self, name: str) -> Path | None:
        """See `Storage.local_path`: of a shard's copy, where it is kept."""
        copies = self._copies_of(name)
        return None if copies is None else copies.path(self._inside(name))

    def drop_copy(self, name: str) -> bool:
        """See `Storage.drop_copy`."""
        return self._shared.copies.drop(self._inside(name))

    def put(self, name: str, parts: Iterable[bytes | memoryview], *, replace: bool = False) -> None:
        """See `Storage.put`; where a put is repeated since its answer was lost, that is no other.

        All of the blob is in memory meanwhile.

        Raises
        ------
        CacheError
            When the folder is no longer held, or the store writes over what is there.
        """
        data = b"".join(parts)
        if not data:  # some stores let two of these succeed
            raise ValueError("an empty blob")
        path = self._path(name)
        self.require_held()
        if self._store.is_sent_in_parts(len(data)) and not replace:
            self._probe_parts()
        self._listed.pop(name, None)
        for left in range(_PUTS - 1, -1, -1):
            try:
                return self._store.put(path, data, replace=replace)
            except (FileExistsError, FileNotFoundError) as error:
                # What botocore repeats may have been stored the first time.
                if not replace and self._holds(path, data):
                    return None
                raise _with_path(error, self.where / name) from error
            except CacheUnreachableError as error:
                if not left or not (error.__cause__ and is_conflict(error.__cause__)):
                    raise
                time.sleep(_RANDOM.uniform(0.05, 0.5))
        return None

    def delete(self, name: str) -> None:
        """See `Storage.delete`; copies go with it."""
        self._listed.pop(name, None)
        for path in self._store.find(self._path(name)):
            self._store.delete(path)
        self._shared.copies.drop(self._inside(name))

    def require_held(self) -> None:
        """See `Storage.require_held`."""
        if self._lease is not None:
            self._lease.check()

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """See `Storage.writing`: holds its `LOCK`, and tries once whether the store can keep it."""
        with Lease(self._store, self._path(), self.where, self._shared.signs) as lease:
            self._probe()
            try:
                self._store.abort_uploads(self._path())
            except CacheUnreachableError as error:  # such as credentials that may not list them
                logger.info("uploads of killed writers are left: %s", error)
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def _probe(self) -> None:
        """See that a second put of one name is refused, once for all folders of an address."""
        if self._shared.is_probed:
            return
        path = self._path(_PROBE)
        try:
            with contextlib.suppress(FileExistsError):  # what a killed one left does as well
                self._store.put(path, b"probe", replace=False)
            try:
                self._store.put(path, b"probe", replace=False)
            except FileExistsError:
                self._shared.is_probed = True
        finally:
            self._store.delete(path)
        if not self._shared.is_probed:
            raise self._writes_over("a second put of one name")

    def _probe_parts(self) -> None:
        """The same of uploads in parts, before the first."""
        if self._shared.are_parts_probed:
            return
        path = self._path(_PROBE)
        try:
            with contextlib.suppress(FileExistsError):
                self._store.put(path, b"probe", replace=False)
            self._shared.are_parts_probed = self._store.probe_parts(path)
        finally:
            self._store.delete(path)
        if not self._shared.are_parts_probed:
            raise self._writes_over("a second upload in parts of one name")

    def _writes_over(self, what: str) -> CacheError:
        return CacheError(
            f"{self._store.address.url} cannot keep a cache: {what} writes over the first, where "
            f"If-None-Match was to refuse it; use a store that knows conditional writes"
        )

    def _holds(self, path: str, data: bytes) -> bool:
        """Whether an object is there with just these bytes."""
        with contextlib.suppress(FileNotFoundError):
            entry = self._store.status(path)
            return entry.n_bytes == len(data) and b"".join(self._parts(path, len(data))) == data
        return False

    def _parts(self, path: str, n_bytes: int) -> Iterator[bytes]:
        """All of an object, a few parts of it at once."""
        ranges = [
            (offset, min(_COPIED_AT_ONCE, n_bytes - offset))
            for offset in range(0, n_bytes, _COPIED_AT_ONCE)
        ]
        for start in range(0, len(ranges), _PARTS_AT_ONCE):
            yield from self._store.read(path, ranges[start : start + _PARTS_AT_ONCE])

    def _copies_of(self, name: str) -> Copies | None:
        return self._shared.copies if ShardName.parse(name) else None

    def _inside(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _path(self, name: str = "") -> str:
        return "/".join(part for part in (self._store.base, self._folder, name) if part)


def open_objects(address: Address, *, waits: bool = True) -> ObjectStorage:
    """The storage at an address, whose local files are in its `local_folder`.

    `waits` False is for what can do without it: a store that does not answer is soon given up.

    Raises
    ------
    LibraryNotFoundError
        When what speaks the protocol is not installed.
    UsageError
        When nothing does, `BOTTLEBANK_LOCAL_COPIES` is not a size, or AWS_ENDPOINT_URL not a URL.
    """
    return ObjectStorage(address.where, _Shared(address, waits=waits))


def _opened_again(address: Address, folder: str) -> ObjectStorage:
    storage = open_objects(address)
    for name in filter(None, folder.split("/")):
        storage = storage.below(name)
    return storage


def _with_path(error: OSError, where: ObjectPath) -> OSError:
    number = error.errno or errno.EIO
    return type(error)(number, error.strerror or os.strerror(number), str(where))
