"""NumPy's own files, ``.npy`` and uncompressed ``.npz``: never a pickle, never a bomb."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from .files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    EOFError,
    SyntaxError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
)


def read_npy(path: Path, dtype: str, n_dimensions: int, max_bytes: int) -> NDArray[Any]:
    """Read the array of a ``.npy`` file.

    Raises
    ------
    OSError
        When there is no file, or it cannot be read.
    ValueError
        When it is not such a file, larger than `max_bytes`, or holds another type or shape.
    """
    return _array(read_bounded(path, max_bytes), dtype, n_dimensions)


def read_npz(
    path: Path, expected: Mapping[str, tuple[str, int]], max_bytes: int
) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file from `numpy.savez`.

    Parameters
    ----------
    path
        The file.
    expected
        (dtype, number of dimensions) of each array by its name; there are no others.
    max_bytes
        Of the whole file. Its arrays are not compressed, so they have no more.

    Raises
    ------
    OSError
        When there is no file, or it cannot be read.
    ValueError
        When it is anything else.
    """
    data = read_bounded(path, max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != sorted(
                f"{name}.npy" for name in expected
            ):
                raise ValueError("it holds other arrays")
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data):
                    raise ValueError("its arrays are compressed")
            return {
                name: _array(archive.read(f"{name}.npy"), dtype, n_dimensions)
                for name, (dtype, n_dimensions) in expected.items()
            }
    except _DAMAGE as error:
        raise ValueError(f"{path.name} is damaged ({type(error).__name__})") from error


def _array(data: bytes, dtype: str, n_dimensions: int) -> NDArray[Any]:
    file = io.BytesIO(data)
    try:
        if npy.read_magic(file) != (1, 0):
            raise ValueError("it is of another version of the format")
        shape, fortran_order, found = npy.read_array_header_1_0(file, max_header_size=4096)
        if found != np.dtype(dtype) or found.hasobject or len(shape) != n_dimensions:
            raise ValueError(f"it holds {found} in {len(shape)} dimensions")
        values = np.frombuffer(data, found, offset=file.tell())
        return values.reshape(shape, order="F" if fortran_order else "C").copy()
    except _DAMAGE as error:
        raise ValueError(f"an array is damaged ({error})") from error
