"""Writing a shard: HDF5 builds what lies around the features, which are written as they are."""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..keys import HASH_BYTES, KeyArray
from .row_reader import Layout, block_checksums, rows_per_block
from .shard import (
    FORMAT,
    Contents,
    Rejection,
    digest_of,
    layout_of,
    xxh3,
)
from .shard_name import NUMBERS, ShardName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..keys import ContentHash, Key
    from ..storage import Storage


class Rows:
    """Rows that go into one shard together; can be cleared and filled again."""

    def __init__(self, storage: str = "float32") -> None:
        """`storage` is the type of the numbers in the shard: ``float32`` or ``float16``."""
        self.keys: list[Key] = []
        self.paths: list[bytes] = []
        self.rejections: list[Rejection] = []
        self.pieces: list[NDArray[Any]] = []
        """The features, as they came: (n, width) each, in the type of the shard."""
        self.dtype = np.dtype(storage)

    def __len__(self) -> int:
        return len(self.keys) + len(self.rejections)

    def extend(
        self, keys: Sequence[Key], paths: Sequence[bytes], features: NDArray[np.float32]
    ) -> None:
        """Add rows, float32 (n, width), that are kept as they are: not to be changed any more.

        Raises
        ------
        OverflowError
            When a number is beyond the storage's largest.
        """
        with np.errstate(over="ignore"):  # looked for below
            piece = np.ascontiguousarray(features, self.dtype)
        if self.dtype.itemsize < 4 and not np.isfinite(piece).all():
            raise OverflowError(
                "a transfer value is beyond 65,504, the largest number of float16: use "
                "--store float32"
            )
        if not len(piece):
            return
        self.keys += keys
        self.paths += paths
        self.pieces.append(piece)

    def clear(self) -> None:
        """Forget all rows and rejections."""
        self.keys, self.paths, self.rejections, self.pieces = [], [], [], []


def write_shard(storage: Storage, number: int, rows: Rows) -> Contents:
    """Commit rows as one shard and return what it holds; see `Storage.put`.

    Its name has the number and a hash of the file, so that no two writers give the same name to
    different shards.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; nothing is left behind.
    ValueError
        When the number is none that `next_number` gives: the shard would not be found again.
    """
    if not 0 <= number < NUMBERS:
        raise ValueError(f"shard {number}; they are numbered from 0 to {NUMBERS - 1}")
    features = [piece.data.cast("B") for piece in rows.pieces if piece.size]
    before, after, layout = _around(rows, features)
    parts = [before, *features, after]
    name = str(ShardName(number, digest_of(parts)))
    storage.put(name, parts)
    keys = KeyArray.of(rows.keys).packed().tobytes()
    return Contents(name, layout, keys, rows.rejections)


def _around(rows: Rows, features: list[memoryview]) -> tuple[memoryview, memoryview, Layout]:
    """What of the file lies before the features and behind them, and where everything is.

    The features, nearly all of the file, are left out when HDF5 builds it: they are written from
    where they are.
    """
    shape = (len(rows.keys), rows.pieces[0].shape[1] if rows.pieces else 0)
    per_block = rows_per_block(shape[1], rows.dtype)
    block_bytes = per_block * shape[1] * rows.dtype.itemsize
    checksums = block_checksums(features, block_bytes)
    keys = KeyArray.of(rows.keys)
    arrays: dict[str, NDArray[Any]] = {
        "features_xxh3": checksums,
        "key": keys.contents,
        "view": keys.views,
        **_blob("path", rows.paths),
    }
    if rows.rejections:
        arrays |= {
            "rejected_key": hash_array([rejection.content for rejection in rows.rejections]),
            **_blob("rejected_path", [rejection.path for rejection in rows.rejections]),
            **_blob("rejected_reason", [entry.reason.encode() for entry in rows.rejections]),
        }
    buffer = io.BytesIO()
    # From v110 on, HDF5 checksums its metadata; before, a flipped bit there goes unnoticed.
    with h5py.File(buffer, "w", libver=("v110", "latest")) as file:
        space = file.create_dataset("features", shape, rows.dtype, fill_time="never")
        file.attrs["format"] = np.uint32(FORMAT)
        file.attrs["rows_per_block"] = np.uint32(per_block)
        datasets = {name: file.create_dataset(name, data=arrays[name]) for name in arrays}
        for name, dataset in datasets.items():
            dataset.attrs["xxh3"] = np.uint64(xxh3(arrays[name]))
        if features:
            space[0, 0] = rows.pieces[0][0, 0]  # with this, HDF5 sets it aside, at the end
        layout = layout_of(space, datasets["key"], datasets["view"], per_block, checksums)
    # A copy: after a failure, h5py's objects may outlive this call and write to their buffer, which
    # cannot be while there is a view of it.
    image, start = buffer.getvalue(), layout.features_at
    return memoryview(image)[:start], memoryview(image)[start + sum(map(len, features)) :], layout


def hash_array(contents: Sequence[ContentHash]) -> NDArray[np.uint8]:
    """uint8, (n, 32)."""
    return np.frombuffer(b"".join(contents), np.uint8).reshape(-1, HASH_BYTES)


def _blob(name: str, strings: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    ends = np.cumsum([len(string) for string in strings], dtype=np.uint64)
    return {name: np.frombuffer(b"".join(strings), np.uint8), f"{name}_end": ends}
