"""Storage in a folder on a disk: files that appear by renaming, and a lock for one writer."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from ..atomic_file import (
    make_folder,
    remove_temporaries,
    remove_whole,
    sync,
    write_parts,
)
from ..errors import CacheError
from ..hardware import available_cores
from ..untrusted.files import open_regular
from .lock import WriterLock
from .storage import BlobStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from .storage import Blob


class LocalStorage:
    """See `Storage`. Nothing is created before it is written to."""

    def __init__(self, where: Path, root: Path | None = None) -> None:
        """`root` is the cache's folder, by default `where` itself."""
        self.where = where
        self._root = where if root is None else root

    @property
    def n_readers(self) -> int:
        """See `Storage.n_readers`."""
        return available_cores()

    def below(self, name: str) -> LocalStorage:
        """See `Storage.below`."""
        return LocalStorage(self.where / name, self._root)

    def list(self) -> list[str]:
        """See `Storage.list`; temporary files are among the names."""
        try:
            return os.listdir(self.where)  # noqa: PTH208 (names, half as long)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def open(self, name: str) -> Blob:
        """See `Storage.open`; what is not a regular file is an OSError, since a pipe would wait."""
        return open_regular(self.where / name)

    def status(self, name: str) -> BlobStatus:
        """See `Storage.status`; what is not a regular file has no bytes."""
        status = (self.where / name).stat()
        n_bytes = status.st_size if stat.S_ISREG(status.st_mode) else 0
        return BlobStatus(n_bytes, status.st_mtime)

    def local_path(self, name: str) -> Path:
        """See `Storage.local_path`."""
        return self.where / name

    def drop_copy(self, name: str) -> bool:
        """See `Storage.drop_copy`."""
        return False

    def put(self, name: str, parts: Iterable[bytes | memoryview], *, replace: bool = False) -> None:
        """See `Storage.put`: written aside, synced and renamed, and the folder is synced.

        Where the file system has no hard links, only `writing` keeps two of one name apart.
        """
        write_parts(self.where / name, parts, replace=replace)

    def delete(self, name: str) -> None:
        """See `Storage.delete`."""
        remove_whole(self.where / name)

    def require_held(self) -> None:
        """See `Storage.require_held`: a lock of the kernel is held until the process ends."""

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """See `Storage.writing`: creates the folder and holds its `LOCK`."""
        try:
            make_folder(self.where)
        except OSError as error:
            raise CacheError(
                f"{self.where} cannot be created: {error.strerror}; name another with --cache"
            ) from error
        with WriterLock(self.where):
            remove_temporaries(self.where)
            try:
                # What a killed run renamed and could not sync any more would not survive a power
                # cut, and this run goes on from it.
                for folder in self._folders():
                    sync(folder)
            except OSError as error:
                reason = error.strerror or error
                raise CacheError(f"{self.where} cannot be written: {reason}") from error
            yield

    def _folders(self) -> list[Path]:
        """This folder, and those above it up to the one that holds the cache."""
        where, root = self.where.absolute(), self._root.absolute()
        return [where, *(path for path in where.parents if path.is_relative_to(root.parent))]
