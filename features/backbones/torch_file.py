"""Reading the arrays of a weights file that `torch.save` wrote in its first format, safely.

Such a file is a series of pickles, which can name any function of any module and have it called.
This reader knows the three names that weights need and resolves none by import, so that reading
runs nothing but NumPy.
"""

from __future__ import annotations

import collections
import pickle
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ...errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_MAX_ELEMENTS = 1 << 28


class _Storage(NamedTuple):
    """A run of numbers in the file, before it has been read."""

    name: str
    dtype: np.dtype[Any]
    n_elements: int


class _View(NamedTuple):
    """A tensor: which numbers of a storage, in which order."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """The array, of its own memory."""
        if (
            len(self.shape) != len(self.strides)
            or min((self.offset, *self.shape, *self.strides)) < 0
        ):
            raise ValueError(f"a tensor of shape {self.shape} with strides {self.strides}")
        last = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if 0 not in self.shape and self.offset + last >= len(numbers):
            raise ValueError("a tensor reaches past its numbers")
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, [step * numbers.itemsize for step in self.strides]
        ).copy()


class _Unpickler(pickle._Unpickler):  # pyright: ignore[reportAttributeAccessIssue]
    """Resolves the names that weights need, and refuses every other.

    It is the one in Python: that in C takes memory by what a file says, not by what is in it.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, name, _, n_elements, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("it refers to something that is not a storage")
        if not 0 <= n_elements <= _MAX_ELEMENTS:
            raise pickle.UnpicklingError(f"a storage of {n_elements} numbers")
        return _Storage(str(name), dtype, n_elements)


def _rebuild(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _View:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _View(storage, offset, shape, strides)


def read_torch_file(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read the tensors of a file in `torch.save`'s first format, by their names.

    Parameters
    ----------
    file
        Open at its beginning.

    Returns
    -------
    dict
        float32 or int64 arrays in the order of the file.

    Raises
    ------
    EngineError
        When it is not such a file, is cut short, or asks for anything but arrays.
    """
    try:
        if _load(file) != _MAGIC or _load(file) != _PROTOCOL:
            raise ValueError("it does not begin as torch.save writes")
        system = _load(file)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("its byte order is not little-endian")
        views: Mapping[str, Any] = _load(file)
        numbers = dict(_numbers(file, _load(file), views))
        return {name: view.of(numbers[view.storage.name]) for name, view in views.items()}
    except Exception as error:  # whatever a damaged pickle leads to
        raise EngineError(f"not a weights file that can be read: {error}") from error


def _load(file: BinaryIO) -> Any:
    return _Unpickler(file).load()


def _numbers(file: BinaryIO, names: Any, views: Mapping[str, Any]) -> Any:
    """The numbers of each storage: 8 bytes say how many, and they follow."""
    storages = {view.storage.name: view.storage for view in views.values()}
    for name in names:
        storage = storages[name]
        n_elements = int.from_bytes(file.read(8), "little")
        if n_elements != storage.n_elements:
            raise ValueError(f"{n_elements} numbers where {storage.n_elements} belong")
        data = file.read(n_elements * storage.dtype.itemsize)
        yield name, np.frombuffer(data, storage.dtype, n_elements)
