"""HDF5 files of arrays in groups: what is read was stored in the file itself, in one piece.

As `hdf5`, for files whose names are not known beforehand. HDF5 1.14 can crash where it lists the
entries of a damaged group, so only a process of its own should read such a file.
"""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5o, h5s, h5t

from .files import at_most_more, open_regular, require_regular
from .hdf5 import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = 64
_MAX_OBJECTS = 200_000
_MAX_NAME_BYTES = 1000
_MAX_TEXTS = 100_000
_MORE_BYTES = 1 << 28
_NUMBERS = "fiub"
_FLOAT16_BITS = np.dtype("V2")
"""As bfloat16 is stored."""


class Stored(NamedTuple):
    """An array of a file."""

    path: tuple[str, ...]
    """Names of the groups that it is in, and its own."""
    shape: tuple[int, ...]


class TreeFile:
    """An HDF5 file of arrays in groups; a context manager.

    Raises
    ------
    FileNotFoundError
        On opening, when there is none.
    ValueError
        On opening and on every call, when it holds anything else.
    OSError
        When the file is damaged or cannot be read.
    """

    def __init__(self, source: Source) -> None:
        """Open a file, which is closed with this, and look at all that it holds.

        No array is read.
        """
        if isinstance(source, Path):
            self.n_bytes = require_regular(source)
            self._bytes: io.RawIOBase | io.BufferedIOBase = open_regular(source)
        else:
            self._bytes, self.n_bytes = source, source.seek(0, io.SEEK_END)
        self._file: Any = None
        self._n_objects = 0
        try:
            # Nothing writes to such a file while it is read, and some file systems cannot lock.
            self._file = h5py.File(self._bytes, "r", locking=False)
            self._seen: set[int] = set()
            self.arrays = list(self._walked(self._file["/"].id, ()))
            n_bytes = sum(4 * math.prod(array.shape) for array in self.arrays)
            if n_bytes > 4 * self.n_bytes:
                raise ValueError(f"its arrays declare more numbers than its {self.n_bytes:,} bytes")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._bytes.close()

    def __enter__(self) -> TreeFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self, path: tuple[str, ...]) -> np.ndarray:
        """The numbers of an array, float32."""
        held: Any = self._at(path)
        if not isinstance(held, h5py.Dataset):
            raise ValueError(f"{_shown(path)} is not an array")
        values: Any = held[()]
        if values.dtype == _FLOAT16_BITS:
            values = (values.view("<u2").astype("<u4") << 16).view("<f4").reshape(held.shape)
        return values.astype(np.float32)

    def copy(self, path: Path, without: tuple[str, ...] = ()) -> None:
        """Write a new file with the arrays in float32, and nothing else.

        Parameters
        ----------
        path
            Of the new file.
        without
            Names of groups of the file that are left out.
        """
        with h5py.File(path, "w", locking=False) as file:
            for stored in self.arrays:
                if stored.path[0] not in without:
                    file.create_dataset("/".join(stored.path), data=self.read(stored.path))

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether there is a group or array of these names."""
        held: Any = self._file["/"]
        for name in path:
            if not isinstance(held, h5py.Group) or not held.id.links.exists(name.encode()):
                return False
            held = held[name]
        return True

    def text(self, attribute: str, max_bytes: int) -> str | None:
        """A text that is kept as an attribute of the file; None where there is none."""
        root: Any = self._file["/"].id
        if not h5a.exists(root, attribute.encode()):
            return None
        found = h5a.open(root, attribute.encode())
        kind = found.get_type()
        if (
            not isinstance(kind, h5t.TypeStringID)
            or found.get_space().get_simple_extent_type() != h5s.SCALAR
            or (not kind.is_variable_str() and kind.get_size() > max_bytes)
        ):
            raise ValueError(f"its attribute {attribute} is not text")
        with at_most_more(_MORE_BYTES):  # the length of a variable one is only known to HDF5
            value: Any = self._file.attrs[attribute]
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        if len(text) > max_bytes:
            raise ValueError(f"its attribute {attribute} has more than {max_bytes:,} characters")
        return text

    def texts(self, path: tuple[str, ...], attribute: str) -> list[str]:
        """A list of texts that is kept as one attribute of a group, or as several numbered ones."""
        held: Any = self._at(path)
        found: list[str] = []
        names = [attribute]
        if not h5a.exists(held.id, attribute.encode()):
            names = [f"{attribute}{number}" for number in range(1000)]
        for name in names:
            if not h5a.exists(held.id, name.encode()):
                break
            found += self._texts(held, name)
        if len(found) > _MAX_TEXTS:
            raise ValueError(f"{_shown(path)} has {len(found):,} texts in {attribute}")
        return found

    def _texts(self, held: Any, attribute: str) -> list[str]:
        found = h5a.open(held.id, attribute.encode())
        if math.prod(found.shape) == 0:
            return []
        if not isinstance(found.get_type(), h5t.TypeStringID) or len(found.shape) != 1:
            raise ValueError(
                f"the attribute {attribute} of {held.name[:80]} is not a list of texts"
            )
        if found.shape[0] > _MAX_TEXTS:
            raise ValueError(f"{held.name[:80]} has {found.shape[0]:,} texts in {attribute}")
        with at_most_more(_MORE_BYTES):
            values: Any = held.attrs[attribute]
        return [
            each.decode(errors="replace") if isinstance(each, bytes) else str(each)
            for each in values
        ]

    def _at(self, path: tuple[str, ...]) -> Any:
        if not self.has(path):
            raise ValueError(f"{_shown(path)} is missing")
        held: Any = self._file["/"]
        for name in path:
            held = held[name]
        return held

    def _walked(self, group: Any, path: tuple[str, ...]) -> Iterator[Stored]:
        """The arrays in a group, whose entries are checked."""
        if len(path) > _MAX_DEPTH:
            raise ValueError("its groups are nested too deeply")
        for raw in group:
            name = _name(raw)
            here = (*path, name)
            self._n_objects += 1
            if self._n_objects > _MAX_OBJECTS:
                raise ValueError(f"it has more than {_MAX_OBJECTS:,} groups and arrays")
            if group.links.get_info(raw).type != h5l.TYPE_HARD:
                raise ValueError(f"{_shown(here)} is a link")
            info = h5o.get_info(group, raw)
            if info.addr in self._seen:
                raise ValueError(f"{_shown(here)} is there twice")
            self._seen.add(info.addr)
            if info.type == h5o.TYPE_GROUP:
                yield from self._walked(h5o.open(group, raw), here)
            elif info.type == h5o.TYPE_DATASET:
                yield Stored(here, self._plain_shape(h5d.open(group, raw), here))
            else:
                raise ValueError(f"{_shown(here)} is neither a group nor an array")

    def _plain_shape(self, dataset: Any, path: tuple[str, ...]) -> tuple[int, ...]:
        """The shape of an array that is stored in one piece."""
        plist = dataset.get_create_plist()
        kind = dataset.dtype.kind
        if (
            dataset.get_space().get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR)
            or plist.get_layout() not in (h5d.CONTIGUOUS, h5d.COMPACT)
            or plist.get_external_count()
            or plist.get_nfilters()
        ):
            raise ValueError(f"{_shown(path)} is not stored in one piece in this file")
        if kind not in _NUMBERS and dataset.dtype != _FLOAT16_BITS:
            raise ValueError(f"{_shown(path)} is not an array of numbers")
        shape = tuple(int(n) for n in dataset.shape)
        n_bytes = math.prod(shape) * dataset.get_type().get_size()
        offset = dataset.get_offset()
        if n_bytes > self.n_bytes or (
            n_bytes
            and plist.get_layout() == h5d.CONTIGUOUS
            and (offset is None or offset + n_bytes > self.n_bytes)
        ):
            raise ValueError(
                f"{_shown(path)} of shape {shape} takes {n_bytes:,} bytes, which the file lacks"
            )
        return shape


def _name(raw: bytes) -> str:
    if len(raw) > _MAX_NAME_BYTES:
        raise ValueError("a name in it is too long")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError("a name in it is not text") from error


def _shown(path: tuple[str, ...]) -> str:
    return f"its {'/'.join(path)[:120]!r}"
