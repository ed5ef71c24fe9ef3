"""One shard: an immutable HDF5 file of rows, whose rename is the commit.

Layout, all datasets contiguous and fixed-length::

    features           float32 or float16 (n, d)
    features_xxh3      uint64 (blocks,)    XXH3 of each run of `rows_per_block` rows
    key                uint8 (n, 32)       SHA-256 of the image file
    view               uint32 (n,)         0: the image itself
    path, path_end     uint8 (bytes,), uint64 (n,)    where the image was seen, as bytes
    rejected_key, rejected_path(_end), rejected_reason(_end)    images that cannot be decoded
    attributes         format, rows_per_block, and xxh3 of every dataset but `features`
"""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
import xxhash

from ..atomic import write_bytes
from ..errors import DamagedShardError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .keys import Key

FORMAT = 1
_BLOCK_BYTES = 1 << 17
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})\.h5")


class Rejection(NamedTuple):
    """An image that cannot be decoded: remembered until its bytes change."""

    key: Key
    path: bytes
    reason: str


@dataclass
class Rows:
    """Rows that go into one shard together."""

    keys: list[Key] = field(default_factory=list[bytes])
    paths: list[bytes] = field(default_factory=list[bytes])
    features: list[NDArray[np.float32]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list[Rejection])

    def __len__(self) -> int:
        return len(self.keys) + len(self.rejections)


class ShardName(NamedTuple):
    """``000123-<first 16 hexadecimal digits of the file's SHA-256>.h5``."""

    number: int
    digest: str

    @classmethod
    def parse(cls, name: str) -> ShardName | None:
        """Read a file name; None when it is no shard's."""
        match = _NAME.fullmatch(name)
        return cls(int(match[1]), match[2]) if match else None

    def __str__(self) -> str:
        return f"{self.number:06d}-{self.digest}.h5"


def write_shard(folder: Path, number: int, rows: Rows, width: int, storage: str = "float32") -> str:
    """Commit rows as one shard and return its file name.

    The file is built in memory and appears under its final name only when all of it is on the
    disk; once this returns it survives a power cut.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; nothing is left behind.
    """
    image = _build(rows, width, np.dtype(storage))
    name = ShardName(number, hashlib.sha256(image).hexdigest()[:16])
    write_bytes(folder / str(name), image)
    return str(name)


def _build(rows: Rows, width: int, dtype: np.dtype[Any]) -> memoryview:
    features = np.empty((len(rows.keys), width), dtype)
    with np.errstate(over="ignore"):  # looked for below
        for row, values in enumerate(rows.features):
            features[row] = values
    if dtype.itemsize < 4 and not np.isfinite(features).all():
        raise OverflowError(
            "a transfer value is beyond 65,504, the largest number of float16: use --store float32"
        )
    rows_per_block = max(1, _BLOCK_BYTES // max(1, dtype.itemsize * width))
    arrays: dict[str, NDArray[Any]] = {
        "features_xxh3": _block_checksums(features, rows_per_block),
        "key": _key_array(rows.keys),
        "view": np.zeros(len(rows.keys), np.uint32),
        "rejected_key": _key_array([rejection.key for rejection in rows.rejections]),
        **_blob("path", rows.paths),
        **_blob("rejected_path", [rejection.path for rejection in rows.rejections]),
        **_blob("rejected_reason", [entry.reason.encode() for entry in rows.rejections]),
    }
    buffer = io.BytesIO()
    # From v110 on, HDF5 checksums its metadata; before, a flipped bit there goes unnoticed.
    with h5py.File(buffer, "w", libver=("v110", "latest")) as file:
        file.create_dataset("features", data=features)
        file.attrs["format"] = np.uint32(FORMAT)
        file.attrs["rows_per_block"] = np.uint32(rows_per_block)
        for name, array in arrays.items():
            dataset = file.create_dataset(name, data=array)
            dataset.attrs["xxh3"] = np.uint64(_xxh3(array))
    return buffer.getbuffer()


class Shard:
    """A shard that is open for reading. Everything that it returns has passed its checksum.

    Raises
    ------
    DamagedShardError
        On opening and on every read: when the bytes are not those that were written.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; only metadata is read."""
        self.path = path
        try:
            # A shard never changes, so there is nothing to lock; and some file systems cannot.
            self._file = h5py.File(path, "r", locking=False)
            if self._file.attrs["format"] != FORMAT:
                raise DamagedShardError(
                    f"{path} has format {self._file.attrs['format']}, this version reads {FORMAT}"
                )
            rows_per_block: Any = self._file.attrs["rows_per_block"]
            self._rows_per_block = int(rows_per_block)
            self._features: Any = self._file["features"]
            self.n_rows, self.width = (int(side) for side in self._features.shape)
        except FileNotFoundError:
            raise
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def row_keys(self) -> NDArray[np.uint8]:
        """uint8, (n, 32)."""
        return self._checked("key").reshape(-1, 32)

    def paths(self) -> list[bytes]:
        """Where each row's image was seen first."""
        return self._strings("path")

    def rejections(self) -> list[Rejection]:
        """The images that could not be decoded."""
        keys = self._checked("rejected_key").reshape(-1, 32)
        paths, reasons = self._strings("rejected_path"), self._strings("rejected_reason")
        return [
            Rejection(key.tobytes(), path, reason.decode())
            for key, path, reason in zip(keys, paths, reasons, strict=True)
        ]

    def read(self, rows: NDArray[np.intp], out: NDArray[np.float32]) -> None:
        """Read `out[i] = features[rows[i]]`; `rows` ascend.

        Whole blocks are read, since the checksum is theirs, in runs of blocks that touch.
        """
        if len(rows) == 0:
            return
        blocks = rows // self._rows_per_block
        run_starts = np.flatnonzero(np.diff(blocks, prepend=blocks[0] - 2) > 1)
        checksums = self._checked("features_xxh3")
        for start, end in zip(run_starts, [*run_starts[1:], len(rows)], strict=True):
            first = int(blocks[start]) * self._rows_per_block
            past = min((int(blocks[end - 1]) + 1) * self._rows_per_block, self.n_rows)
            wanted = out[start:end]
            if past - first == end - start and self._features.dtype == out.dtype:
                self._read_run(first, past, checksums, wanted)  # whole blocks: no second copy
            else:
                values = np.empty((past - first, self.width), self._features.dtype)
                self._read_run(first, past, checksums, values)
                wanted[:] = values[rows[start:end] - first]

    def verify(self) -> None:
        """Compare the whole file with the hash in its name, and every array with its checksum."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        name = ShardName.parse(self.path.name)
        if name is None or digest != name.digest:
            raise self._damaged(f"its SHA-256 begins with {digest}")
        self.row_keys()
        self.paths()
        self.rejections()
        every_row = np.arange(self.n_rows)
        self.read(every_row, np.empty((self.n_rows, self.width), np.float32))

    def _read_run(
        self, first: int, past: int, checksums: NDArray[np.uint64], values: NDArray[Any]
    ) -> None:
        """Read rows `first` to `past` of whole blocks into `values`, and check them."""
        try:
            self._features.read_direct(values, np.s_[first:past])
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise self._damaged(error) from error
        block = first // self._rows_per_block
        found = _block_checksums(values, self._rows_per_block)
        if not np.array_equal(found, checksums[block : block + len(found)]):
            raise self._damaged(f"checksum of rows {first} to {past - 1}")

    def _checked(self, name: str) -> NDArray[Any]:
        try:
            dataset: Any = self._file[name]
            array: NDArray[Any] = dataset[()]
            expected = int(dataset.attrs["xxh3"])
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise self._damaged(error) from error
        if _xxh3(array) != expected:
            raise self._damaged(f"checksum of {name}")
        return array

    def _strings(self, name: str) -> list[bytes]:
        blob, ends = self._checked(name).tobytes(), self._checked(f"{name}_end").tolist()
        return [blob[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def _damaged(self, what: object) -> DamagedShardError:
        reason = " ".join(str(what).split())  # HDF5 tells its inner state on several lines
        return DamagedShardError(
            f"{self.path} is damaged ({reason}): run `bottlebank extract` again, which computes "
            f"its rows anew; `bottlebank cache verify` lists all damage"
        )


def _block_checksums(features: NDArray[Any], rows_per_block: int) -> NDArray[np.uint64]:
    starts = range(0, len(features), rows_per_block)
    return np.array(
        [_xxh3(features[start : start + rows_per_block]) for start in starts], np.uint64
    )


def _xxh3(array: NDArray[Any]) -> int:
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(array).data)


def _key_array(keys: Sequence[Key]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)


def _blob(name: str, strings: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    ends = np.cumsum([len(string) for string in strings], dtype=np.uint64)
    return {name: np.frombuffer(b"".join(strings), np.uint8), f"{name}_end": ends}
