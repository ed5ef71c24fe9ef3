"""One shard: an immutable HDF5 file of rows, whose rename is the commit.

Layout, all datasets contiguous and fixed-length::

    features           float32 or float16 (n, d)
    features_xxh3      uint64 (blocks,)    XXH3 of each run of `rows_per_block` rows
    key                uint8 (n, 32)       SHA-256 of the image file
    view               uint32 (n,)         0: the image itself
    path, path_end     uint8 (bytes,), uint64 (n,)    where the image was seen, as bytes
    rejected_key, rejected_path(_end), rejected_reason(_end)    images that cannot be decoded,
                       where there are any
    attributes         format, rows_per_block, and xxh3 of every dataset but `features`
"""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import errno
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from ...errors import (
    CacheUnreachableError,
    DamagedShardError,
    NewerShardError,
    UnreadableShardError,
    in_brief,
)
from ...untrusted.hdf5 import PlainFile, named
from ..keys import HASH_BYTES, KeyArray
from ..storage import FetchesAhead
from .row_reader import BytesDifferError, Layout, RowReader
from .shard_name import ShardName

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from ..keys import ContentHash
    from ..storage import Storage

FORMAT = 1
LARGEST_OF_OTHERS = 1e6
"""Of a transfer value that is taken from others: networks give some hundreds at most, and one row
of absurd numbers spoils every head and map."""

_VERIFY_BYTES = 1 << 24
_NO_KEYS = np.empty((0, HASH_BYTES), np.uint8)
# (dtype, number of dimensions) of each array but `features`, whose type is the storage's.
_ARRAYS = {
    "features": ("<f4", 2),
    "features_xxh3": ("<u8", 1),
    "key": ("u1", 2),
    "view": ("<u4", 1),
    "path": ("u1", 1),
    "path_end": ("<u8", 1),
}
_REJECTED = {
    "rejected_key": ("u1", 2),
    "rejected_path": ("u1", 1),
    "rejected_path_end": ("<u8", 1),
    "rejected_reason": ("u1", 1),
    "rejected_reason_end": ("<u8", 1),
}


class Rejection(NamedTuple):
    """An image that cannot be decoded: remembered until its bytes change."""

    content: ContentHash
    path: bytes
    reason: str


class Contents(NamedTuple):
    """What a shard holds, without the transfer values."""

    name: str
    layout: Layout
    keys: bytes
    """Those of the rows, as `KeyArray.packed` gives them."""
    rejections: list[Rejection]

    def key_array(self) -> KeyArray:
        """The keys of the rows."""
        keys = np.frombuffer(self.keys, np.uint8)
        return KeyArray.unpack(keys.reshape(self.layout.n_rows, -1) if len(keys) else _NO_KEYS)


def digest_of(parts: Iterable[bytes | memoryview]) -> str:
    """XXH3 of the bytes in `parts`, as it is in a shard's name."""
    digest = xxhash.xxh3_64()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def layout_of(
    features: Any, keys: Any, views: Any, per_block: int, checksums: NDArray[np.uint64]
) -> Layout:
    """Where these datasets lie in their file."""
    n_rows, width = features.shape
    return Layout(
        n_rows=n_rows,
        width=width,
        dtype=str(features.dtype),
        rows_per_block=per_block,
        features_at=features.id.get_offset() or 0,  # None when there are no rows
        keys_at=keys.id.get_offset() or 0,
        views_at=views.id.get_offset() or 0,
        checksums=checksums.tobytes(),
    )


class Shard:
    """A shard that is open for reading. Everything that it returns has passed its checksum.

    Raises
    ------
    FileNotFoundError
        On opening, when there is none.
    DamagedShardError
        On opening and on every read: when the bytes are not those that were written, or the file
        holds anything that `write_shard` does not write.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        """Open the shard `name`; only metadata is read."""
        self._storage, self._name = storage, name
        self.path = storage.where / name
        with self._reading():
            file = storage.local_path(name) or storage.open(name)
            self._file = PlainFile(file, [*_ARRAYS, *_REJECTED])
        try:
            with self._reading():
                self.layout = self._read_layout()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def keys(self) -> KeyArray:
        """The keys of the rows."""
        contents = self._hashes("key", self.layout.n_rows)
        views = self._checked("view")
        if views.shape != contents.shape[:1]:
            raise self.damage(f"view has the shape {views.shape}")
        return KeyArray(contents, views)

    def paths(self) -> list[bytes]:
        """Where each row's image was seen first."""
        return self._strings("path", self.layout.n_rows)

    def rejections(self) -> list[Rejection]:
        """The images that could not be decoded."""
        if "rejected_key" not in self._file.names:
            return []
        contents = self._hashes("rejected_key")
        paths = self._strings("rejected_path", len(contents))
        with self._reading():
            reasons = [text.decode() for text in self._strings("rejected_reason", len(contents))]
        return [
            Rejection(content.tobytes(), path, reason)
            for content, path, reason in zip(contents, paths, reasons, strict=True)
        ]

    def contents(self) -> Contents:
        """What the shard holds, without the transfer values."""
        keys = self.keys().packed().tobytes()
        return Contents(self._name, self.layout, keys, self.rejections())

    def read(self, rows: NDArray[np.intp], out: NDArray[np.float32]) -> None:
        """Read ``out[i] = features[rows[i]]``; `rows` ascend."""
        try:
            with RowReader(self._storage, self._name, self.layout) as reader:
                reader.read(rows, out)
        except CacheUnreachableError:
            raise
        except (BytesDifferError, OSError) as error:
            raise self.damage(error) from error

    def verify(self, largest: float = math.inf) -> None:
        """Compare the whole file with the hash in its name, and every array with its checksum.

        Numbers that are not finite, or larger than `largest` either way, are damage too.
        """
        with self._reading(), self._storage.open(self._name) as file:
            if isinstance(file, FetchesAhead):
                file.expect([(0, file.seek(0, io.SEEK_END))])
                file.seek(0)
            digest = digest_of(iter(lambda: file.read(1 << 20), b""))
        name = ShardName.parse(self._name)
        if name is None or digest != name.digest:
            raise self.damage(f"its XXH3 is {digest}")
        self.keys()
        self.paths()
        self.rejections()
        n_rows, width = self.layout.n_rows, self.layout.width
        at_once = self.layout.rows_per_block * max(1, _VERIFY_BYTES // _block_bytes(self.layout))
        for start in range(0, n_rows, at_once):
            rows = np.arange(start, min(start + at_once, n_rows))
            values = np.empty((len(rows), width), np.float32)
            self.read(rows, values)
            if not np.isfinite(values).all():
                raise self.damage("it has transfer values that are not finite")
            if (np.abs(values) > largest).any():
                raise self.damage(too_large(values))

    def _read_layout(self) -> Layout:
        file = self._file
        found = file.number("format", "<u4")
        if found > FORMAT:
            raise NewerShardError(
                f"{self.path} has format {found}, this version reads {FORMAT}: a newer "
                f"bottlebank has written it; update this one"
            )
        if found != FORMAT:
            raise ValueError(f"it has format {found}, this version reads {FORMAT}")
        rejected = file.names - _ARRAYS.keys()
        if not file.names >= _ARRAYS.keys() or len(rejected) not in (0, len(_REJECTED)):
            raise ValueError(f"it holds the arrays {named(file.names)}")
        for name in file.names - {"features"}:
            self._dataset(name)
        kind = "<f4" if file.is_of_type("features", "<f4") else "<f2"
        features = file.array("features", kind, 2)
        n_rows, width = features.shape
        per_block = file.number("rows_per_block", "<u4")
        n_blocks = -(-n_rows // per_block) if per_block and width else 0
        if n_rows and (not n_blocks or per_block * width > 1 << 31):
            raise ValueError(f"blocks of {per_block} rows of {width} numbers")
        checksums = self._checked("features_xxh3")
        if checksums.shape != (n_blocks,):
            raise ValueError(f"{len(checksums)} checksums of {n_blocks} blocks")
        keys, views = self._dataset("key"), self._dataset("view")
        if keys.shape != (n_rows, HASH_BYTES) or views.shape != (n_rows,):
            raise ValueError(f"keys of shape {keys.shape} for {n_rows} rows")
        return layout_of(features, keys, views, per_block, checksums)

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        """Turn what reading HDF5 raises into the error for this shard."""
        try:
            yield
        except (DamagedShardError, CacheUnreachableError):
            raise
        except FileNotFoundError:
            if isinstance(self.path, Path) and self.path.is_symlink():
                raise self.damage(OSError(errno.ENOENT, "a link to nothing")) from None
            raise
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
            raise self.damage(error) from error

    def _dataset(self, name: str) -> Any:
        kind, n_dimensions = _ARRAYS[name] if name in _ARRAYS else _REJECTED[name]
        return self._file.array(name, kind, n_dimensions)

    def _checked(self, name: str) -> NDArray[Any]:
        with self._reading():
            array: NDArray[Any] = self._dataset(name)[()]
            if xxh3(array) != self._file.number("xxh3", "<u8", name):
                raise ValueError(f"checksum of {name}")
        return array

    def _hashes(self, name: str, n_rows: int | None = None) -> NDArray[np.uint8]:
        hashes = self._checked(name)
        if hashes.shape != (len(hashes) if n_rows is None else n_rows, HASH_BYTES):
            raise self.damage(f"{name} has the shape {hashes.shape}")
        return hashes

    def _strings(self, name: str, n_strings: int) -> list[bytes]:
        blob, ends = self._checked(name).tobytes(), self._checked(f"{name}_end")
        starts = np.concatenate([np.zeros(1, np.uint64), ends[:-1]]) if len(ends) else ends
        last = int(ends[-1]) if len(ends) else 0
        if len(ends) != n_strings or last != len(blob) or (starts > ends).any():
            raise self.damage(f"{name} is not {n_strings} strings")
        return [blob[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def damage(self, what: object) -> DamagedShardError:
        """The error for this shard; `what` says what is wrong."""
        kind = DamagedShardError
        if isinstance(what, MemoryError):
            kind, what = UnreadableShardError, "too little memory to read it"
        elif isinstance(what, OSError) and what.errno:
            what_file_it_is = what.errno == errno.EINVAL  # such as a pipe
            kind = DamagedShardError if what_file_it_is else UnreadableShardError
            what = what.strerror or what
        return kind(
            f"{self.path} is damaged ({in_brief(what)}): run `bottlebank extract` again, which "
            f"computes its rows again; `bottlebank cache verify` lists all damage"
        )


def too_large(values: NDArray[np.float32]) -> str:
    """What is wrong with numbers beyond `LARGEST_OF_OTHERS`."""
    return (
        f"a transfer value of {np.abs(values).max():.3g}; networks give far less than "
        f"{LARGEST_OF_OTHERS:,.0f}"
    )


def _block_bytes(layout: Layout) -> int:
    return max(1, layout.rows_per_block * layout.row_bytes)


def xxh3(array: NDArray[Any]) -> int:
    """Checksum of an array's bytes in C order."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(array).data)
