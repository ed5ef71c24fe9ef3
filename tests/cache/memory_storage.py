"""Storage that is not a folder: blobs in a dictionary, which stand for those of an object store."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator, Iterable
from pathlib import Path

from bottlebank.cache.storage import BlobStatus
from bottlebank.errors import CacheLockedError


class MemoryStorage:
    """See `bottlebank.cache.storage.Storage`."""

    n_readers = 2

    def __init__(self, blobs: dict[str, bytes] | None = None, where: str = "memory") -> None:
        self.where = Path(where)
        self._blobs = {} if blobs is None else blobs
        self._writers: set[str] = set()

    def below(self, name: str) -> MemoryStorage:
        below = MemoryStorage(self._blobs, f"{self.where}/{name}")
        below._writers = self._writers
        return below

    def list(self) -> list[str]:
        inside = f"{self.where}/"
        names = [path.removeprefix(inside) for path in self._blobs if path.startswith(inside)]
        return sorted({name.partition("/")[0] for name in names})

    def open(self, name: str) -> io.BytesIO:
        try:
            return io.BytesIO(self._blobs[f"{self.where}/{name}"])
        except KeyError:
            raise FileNotFoundError(f"{self.where}/{name}") from None

    def status(self, name: str) -> BlobStatus:
        with self.open(name) as file:
            return BlobStatus(len(file.getvalue()), 0.0)

    def local_path(self, name: str) -> None:
        return None

    def drop_copy(self, name: str) -> bool:
        return False

    def put(self, name: str, parts: Iterable[bytes | memoryview], *, replace: bool = False) -> None:
        path, data = f"{self.where}/{name}", b"".join(parts)
        if replace:
            self._blobs[path] = data
        elif self._blobs.setdefault(path, data) is not data:
            raise FileExistsError(path)

    def delete(self, name: str) -> None:
        path = f"{self.where}/{name}"
        for other in [other for other in self._blobs if f"{other}/".startswith(f"{path}/")]:
            del self._blobs[other]

    def require_held(self) -> None:
        pass

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        name = str(self.where)
        if name in self._writers:
            raise CacheLockedError(f"{name} is being written by another cache; wait until it ends")
        self._writers.add(name)
        try:
            yield
        finally:
            self._writers.discard(name)
