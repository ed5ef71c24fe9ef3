"""HDF5 files of plain arrays: what is returned was stored in the file itself, in one piece.

HDF5 can lead out of a file (soft and external links, external storage, virtual datasets), run
other code (filters, which are plugins), and promise more than there is (sparse and compressed
arrays). Nothing that bottlebank writes needs any of it, so all of it is refused.
"""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from .files import at_most_more, require_regular

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

Source: TypeAlias = Path | io.RawIOBase | io.BufferedIOBase

_MORE_BYTES = 1 << 28
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_REFERENCE = np.dtype([("n_bytes", "<u4"), ("address", "<u8"), ("number", "<u4")])
"""How HDF5 stores a variable-length string in an array: where its bytes are."""


def has_any(path: Path, names: Collection[str]) -> bool:
    """Whether a file has an attribute or a member with one of these names.

    They are looked up one by one; nothing that they name is opened.

    Raises
    ------
    OSError
        When it is no HDF5, or damaged.
    """
    with h5py.File(path, "r", locking=False) as file:
        return any(name in file.attrs or file.id.links.exists(name.encode()) for name in names)


class PlainFile:
    """An HDF5 file with a few arrays beside one another; a context manager.

    Raises
    ------
    FileNotFoundError
        On opening, when there is none.
    ValueError
        On opening and on every call, when it holds anything else.
    OSError
        When the file is damaged or cannot be read.
    """

    def __init__(self, source: Source, expected: Collection[str]) -> None:
        """Open `source`; only metadata is read.

        Parameters
        ----------
        source
            The file, or what is read and sought like one; this is closed with it.
        expected
            Names of the arrays that it may hold. They are looked up one by one: HDF5 1.14 can
            crash where it lists the entries of a damaged group.
        """
        if isinstance(source, Path):
            self.n_bytes = require_regular(source)
            self._bytes: io.RawIOBase | io.BufferedIOBase = source.open("rb")
        else:
            self._bytes, self.n_bytes = source, source.seek(0, io.SEEK_END)
        self._file: Any = None
        try:
            if self._read(0, len(_SIGNATURE)) != _SIGNATURE:
                raise ValueError("not HDF5")
            # Nothing writes to such a file while it is read, and some file systems cannot lock.
            self._file = h5py.File(source, "r", locking=False)
            root: Any = self._file.id
            n_links = h5g.open(root, b"/").get_num_objs()
            self.names = frozenset(name for name in expected if root.links.exists(name.encode()))
            if n_links != len(self.names):
                n_others = n_links - len(self.names)
                raise ValueError(f"{n_others} of the {n_links} arrays that it holds are unknown")
            n_bytes = sum(self._require_plain(name) for name in sorted(self.names))
            if n_bytes > self.n_bytes:
                raise ValueError(f"its arrays declare {n_bytes} bytes in a file of {self.n_bytes}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._bytes.close()

    def _read(self, offset: int, n_bytes: int) -> bytes:
        self._bytes.seek(offset)
        return self._bytes.read(n_bytes) or b""

    def __enter__(self) -> PlainFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def is_of_type(self, name: str, dtype: str) -> bool:
        """Whether the numbers of an array are of a type, byte order included."""
        if name not in self.names:
            raise ValueError(f"{name} is missing")
        held: Any = self._file[name]
        return bool(held.id.get_type().equal(h5t.py_create(np.dtype(dtype))))

    def n_dimensions(self, name: str) -> int:
        """Number of dimensions of an array."""
        held: Any = self._file[name]
        return int(held.ndim)

    def array(self, name: str, dtype: str, n_dimensions: int) -> Any:
        """The dataset of that name, still to be read, once its type and shape are as expected."""
        dataset: Any = self._file[name] if name in self.names else None
        if not self.is_of_type(name, dtype):
            raise ValueError(f"{name} is not an array of {np.dtype(dtype).name}")
        if dataset.ndim != n_dimensions:
            raise ValueError(f"{name} has the shape {dataset.shape}")
        return dataset

    def strings(self, name: str) -> Any:
        """The dataset (n,) of variable-length strings of that name.

        Together they have no more bytes than the file: HDF5 lets any number of entries point to
        the same long string.
        """
        if name not in self.names:
            raise ValueError(f"{name} is missing")
        dataset: Any = self._file[name]
        if dataset.ndim != 1 or h5py.check_string_dtype(dataset.dtype) is None:
            raise ValueError(f"{name} is not a column of strings")
        if dataset.id.get_type().is_variable_str() and dataset.size:
            if dataset.id.get_offset() is None:
                raise ValueError(f"{name} is not stored in one piece in this file")
            stored = self._read(dataset.id.get_offset(), dataset.size * _REFERENCE.itemsize)
            n_bytes = int(np.frombuffer(stored, _REFERENCE)["n_bytes"].astype(np.uint64).sum())
            if n_bytes > self.n_bytes:
                raise ValueError(f"{name} declares {n_bytes} bytes in a file of {self.n_bytes}")
        return dataset

    def has_attribute(self, attribute: str) -> bool:
        """Whether the file has an attribute of that name."""
        root: Any = self._file["/"]
        return bool(h5a.exists(root.id, attribute.encode()))

    def require_attributes(self, expected: Collection[str], name: str = "/") -> None:
        """Raise ValueError unless an array, or the file, has these attributes and no others."""
        held: Any = self._file[name]
        n_attributes = h5a.get_num_attrs(held.id)
        missing = [each for each in expected if not h5a.exists(held.id, each.encode())]
        if missing or n_attributes != len(expected):
            where = "the file" if name == "/" else name
            raise ValueError(
                f"{where} has {n_attributes} attributes; expected {named(expected) or 'none'}"
            )

    def number(self, attribute: str, dtype: str, name: str = "/") -> int:
        """A whole number that is kept as an attribute."""
        found = self._attribute(attribute, name)
        if not found.get_type().equal(h5t.py_create(np.dtype(dtype))):
            raise ValueError(f"the attribute {attribute} is not of type {np.dtype(dtype).name}")
        value = np.empty((), dtype)
        found.read(value)
        return int(value)

    def text(self, attribute: str, max_bytes: int, *, may_vary: bool = False) -> bytes:
        """A text that is kept as an attribute of the file.

        Parameters
        ----------
        attribute
            Its name.
        max_bytes
            More are refused.
        may_vary
            Also read one of variable length, which only a process of its own should: it lies on
            the global heap, in which a damaged file can have HDF5 search for long.
        """
        kind = self._attribute(attribute, "/").get_type()
        is_fixed = isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str()
        if not (isinstance(kind, h5t.TypeStringID) and (is_fixed or may_vary)) or (
            is_fixed and kind.get_size() > max_bytes
        ):
            raise ValueError(f"the attribute {attribute} is not text of at most {max_bytes} bytes")
        # The length of a variable one is only known to HDF5, which sets aside what is claimed.
        with contextlib.nullcontext() if is_fixed else at_most_more(_MORE_BYTES):
            value: Any = self._file.attrs[attribute]
        text = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
        if len(text) > max_bytes:
            raise ValueError(f"the attribute {attribute} has {len(text)} bytes")
        return text

    def _attribute(self, attribute: str, name: str) -> Any:
        held: Any = self._file[name]
        if not h5a.exists(held.id, attribute.encode()):
            raise ValueError(f"the attribute {attribute} is missing")
        found = h5a.open(held.id, attribute.encode())
        if found.get_space().get_simple_extent_type() != h5s.SCALAR:
            raise ValueError(f"the attribute {attribute} is not one value")
        return found

    def _require_plain(self, name: str) -> int:
        """Check how an array is stored; return its bytes."""
        root: Any = self._file.id
        if root.links.get_info(name.encode()).type != h5l.TYPE_HARD:
            raise ValueError(f"{name} is a link")
        if h5o.get_info(root, name.encode()).type != h5o.TYPE_DATASET:
            raise ValueError(f"{name} is not an array")
        dataset = h5d.open(root, name.encode())
        if dataset.get_space().get_simple_extent_type() != h5s.SIMPLE:
            raise ValueError(f"{name} is not an array")
        plist = dataset.get_create_plist()
        if (
            plist.get_layout() not in (h5d.CONTIGUOUS, h5d.COMPACT)
            or plist.get_external_count()
            or plist.get_nfilters()
        ):
            raise ValueError(f"{name} is not stored in one piece in this file")
        n_values = 1
        for length in dataset.shape:
            n_values *= length
        n_bytes = n_values * dataset.get_type().get_size()
        if n_bytes > self.n_bytes:
            raise ValueError(f"{name} declares {n_bytes} bytes in a file of {self.n_bytes}")
        offset = dataset.get_offset()
        if (
            n_bytes
            and plist.get_layout() == h5d.CONTIGUOUS
            and (offset is None or offset + n_bytes > self.n_bytes)
        ):
            raise ValueError(f"{name} is not stored in one piece in this file")
        return n_bytes


def read_finite(dataset: Any, part: Any = ()) -> NDArray[Any]:
    """Read floating-point numbers of a dataset; ValueError unless all are finite."""
    values: NDArray[Any] = dataset[part]
    if not np.isfinite(values).all():
        raise ValueError(f"{dataset.name.lstrip('/')} has numbers that are not finite")
    return values


def named(names: Collection[str]) -> str:
    """A few names, for a message."""
    shown = ", ".join(sorted(names)[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
