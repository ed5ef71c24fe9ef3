"""What a cache needs of the place in which its shards lie.

`local_storage` is a folder on a disk, and the room `objects` an object store.

Only shards and recipes go through it. The index, the converted networks and the small arrays
that `CacheFolder` keeps belong to one machine, so they are always local files.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePath

Blob: TypeAlias = io.RawIOBase | io.BufferedIOBase
"""A file that is open for reading, unbuffered: ranges of it are read by `seek` and `readinto`."""


class BlobStatus(NamedTuple):
    """What is known of a blob without reading it."""

    n_bytes: int
    modified_s: float
    """When it was written, in seconds since 1970."""


@runtime_checkable
class FetchesAhead(Protocol):
    """A `Blob` from far away, of which several ranges are fetched at once."""

    def expect(self, ranges: Sequence[tuple[int, int]]) -> None:
        """These, (offset, number of bytes), are read next, one after the other."""
        ...


class Storage(Protocol):
    """Named blobs of bytes in one folder, and in the folders below it. Safe to use from threads."""

    @property
    def where(self) -> PurePath:
        """Where it is: a `Path` where that is a folder on a disk; else what messages call it."""
        ...

    @property
    def n_readers(self) -> int:
        """How many blobs are best read at once."""
        ...

    def below(self, name: str) -> Storage:
        """The folder of that name in this one; it need not exist."""
        ...

    def list(self) -> list[str]:
        """Names of all blobs and folders directly in it, in any order; none where it is not there.

        A blob is listed from when its `put` has returned at the latest.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        ...

    def open(self, name: str) -> Blob:
        """Open a blob to read ranges of it.

        Raises
        ------
        FileNotFoundError
            When there is none.
        OSError
            When it cannot be read.
        """
        ...

    def status(self, name: str) -> BlobStatus:
        """Size and time of a blob.

        Raises
        ------
        OSError
            When there is none, or it cannot be read.
        """
        ...

    def local_path(self, name: str) -> Path | None:
        """The path of a blob where it is a file on this machine, which HDF5 opens faster."""
        ...

    def drop_copy(self, name: str) -> bool:
        """Throw away a copy that is kept nearer than the blob itself; whether there was one."""
        ...

    def put(self, name: str, parts: Iterable[bytes | memoryview], *, replace: bool = False) -> None:
        """Store a blob. Others see all of it or nothing; once this returns it survives a power cut.

        Raises
        ------
        FileExistsError
            When there is one of that name and `replace` is not set.
        OSError
            When it cannot be written; nothing is left behind then.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a blob, or a folder with all in it; a name that is not there is not an error."""
        ...

    def require_held(self) -> None:
        """See within `writing` that no other process may have taken over.

        Raises
        ------
        CacheError
            When one may have.
        """
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Hold what one writer of this folder must hold, and remove what a killed one left.

        Raises
        ------
        CacheLockedError
            When another process writes to it; nothing has been changed then.
        CacheError
            When it cannot be written.
        """
        ...
