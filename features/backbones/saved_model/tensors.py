"""Types, shapes and tensors as TensorFlow writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .wire import Reader, field, read_varint, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING = 1, 2, 3, 4, 5, 6, 7
INT64, BOOL, BFLOAT16, UINT16, HALF, RESOURCE, UINT32, UINT64 = 9, 10, 14, 17, 19, 20, 22, 23

FLOATS = (FLOAT, DOUBLE, BFLOAT16, HALF)
DTYPES: dict[int, np.dtype] = {
    FLOAT: np.dtype("<f4"),
    DOUBLE: np.dtype("<f8"),
    INT32: np.dtype("<i4"),
    UINT8: np.dtype("u1"),
    INT16: np.dtype("<i2"),
    INT8: np.dtype("i1"),
    INT64: np.dtype("<i8"),
    BOOL: np.dtype("?"),
    BFLOAT16: np.dtype("<u2"),  # its bytes; NumPy has no such numbers
    UINT16: np.dtype("<u2"),
    HALF: np.dtype("<f2"),
    UINT32: np.dtype("<u4"),
    UINT64: np.dtype("<u8"),
}
"""Of the types whose numbers are known here."""

MAX_NUMBERS = 1 << 28
"""In one tensor."""
MAX_KNOWN = 4096
"""Numbers of tensors whose values are computed with: they may be shapes."""

_MAX_RANK = 8
_MAX_REPEATED = 1 << 24
# Where a TensorProto has the numbers of a type, and bytes in one number; 0: of variable length.
_PLACES = {
    FLOAT: (5, 4),
    DOUBLE: (6, 8),
    INT32: (7, 0),
    INT16: (7, 0),
    INT8: (7, 0),
    UINT8: (7, 0),
    UINT16: (7, 0),
    INT64: (10, 0),
    BOOL: (11, 0),
    HALF: (13, 0),
    BFLOAT16: (13, 0),
    UINT32: (16, 0),
    UINT64: (17, 0),
}


class Constant(NamedTuple):
    """A tensor that is in the file."""

    data_type: int
    shape: tuple[int, ...]
    value: np.ndarray | None
    """Where it has few numbers."""
    message: memoryview
    """As it is in the file."""


def read_shape(reader: Reader, message: memoryview) -> tuple[int | None, ...] | None:
    """A shape: None where the rank is open, and for a dimension that is."""
    if reader.number(message, 3):
        return None
    sizes = [reader.number(dim, 1) for dim in reader.messages(message, 2)]
    return tuple(None if size < 0 else size for size in sizes)


def shape_bytes(shape: Sequence[int | None]) -> bytes:
    """The message of a shape."""
    return b"".join(field(2, field(1, -1 if size is None else size)) for size in shape)


def require_shape(shape: tuple[int | None, ...] | None, what: str) -> tuple[int, ...]:
    """A shape that is known and within bounds.

    Raises
    ------
    ValueError
        When it is not; `what` says of what.
    """
    sizes = [size for size in shape or () if size is not None]
    if shape is None or len(sizes) != len(shape):
        raise ValueError(f"{what} has no fixed shape")
    if len(sizes) > _MAX_RANK or math.prod(sizes) > MAX_NUMBERS:
        raise ValueError(f"{what} would be of shape {tuple(sizes[:_MAX_RANK])}")
    return tuple(sizes)


def read_tensor(
    reader: Reader, message: memoryview, name: str, max_known: int = MAX_KNOWN
) -> Constant:
    """A tensor; its data is compared with its shape, and read where it has few numbers.

    Raises
    ------
    ValueError
        When its type is not supported, its shape absurd, or its data of another size.
    """
    what = f"its constant {name[:80]!r}"
    data_type = reader.number(message, 1)
    shape = require_shape(read_shape(reader, reader.message(message, 2)), what)
    if data_type == STRING:
        return Constant(STRING, shape, None, message)
    if data_type not in DTYPES:
        raise ValueError(f"{what} is of a type that is not supported")
    n_numbers, dtype = math.prod(shape), DTYPES[data_type]
    content = reader.message(message, 4)
    if len(content):
        if len(content) != n_numbers * dtype.itemsize:
            raise ValueError(
                f"{what} of shape {shape} takes {n_numbers * dtype.itemsize:,} bytes, and the file "
                f"has {len(content):,}"
            )
        value = np.frombuffer(content, dtype).reshape(shape) if n_numbers <= max_known else None
        return Constant(data_type, shape, value, message)
    number, n_bytes = _PLACES[data_type]
    most = max_known if n_numbers <= max_known else 0
    n_held, value = _held(reader, message, number, n_bytes, data_type, most)
    if n_held > n_numbers or n_numbers > max(n_held, _MAX_REPEATED):
        raise ValueError(f"{what} of shape {shape} has {n_held:,} numbers in the file")
    if value is None:
        return Constant(data_type, shape, None, message)
    # The last number stands for all that are left out, and none for zeros.
    last = value[-1:] if n_held else np.zeros(1, dtype)
    filled = np.concatenate([value, np.repeat(last, n_numbers - n_held)])
    return Constant(data_type, shape, filled.reshape(shape), message)


def _held(
    reader: Reader, message: memoryview, number: int, n_bytes: int, data_type: int, most: int
) -> tuple[int, np.ndarray | None]:
    """How many numbers are in the fields of a tensor, and which, where they are at most `most`."""
    dtype = DTYPES[data_type]
    fields = [value for found, _, value in reader.fields(message) if found == number]
    if n_bytes:
        parts = [value for value in fields if isinstance(value, memoryview)]
        n_held = sum(map(len, parts)) // n_bytes
        if n_held > most:
            return n_held, None
        return n_held, np.frombuffer(b"".join(parts)[: n_held * n_bytes], dtype)
    if not most:  # of variable length: at least a byte for each
        return sum(len(each) if isinstance(each, memoryview) else 1 for each in fields), None
    numbers = [signed(each) for each in reader.numbers(message, number)]
    if len(numbers) > most:
        return len(numbers), None
    if data_type in (HALF, BFLOAT16):  # their bytes
        return len(numbers), np.array(numbers).astype("<u2").view(dtype)
    return len(numbers), np.array(numbers, np.int64).astype(dtype)


def as_float32(array: np.ndarray, data_type: int) -> np.ndarray:
    """Numbers of 16 bits in 32, exactly."""
    if data_type == BFLOAT16:
        return (array.astype("<u4") << 16).view("<f4")
    return array.astype("<f4")


def constant_bytes(array: np.ndarray, data_type: int) -> bytes:
    """The message of a short tensor."""
    dtype = DTYPES[data_type]
    content = np.ascontiguousarray(array, dtype).tobytes()
    return field(1, data_type) + field(2, shape_bytes(array.shape)) + field(4, content)


def read_strings(reader: Reader, message: memoryview) -> list[bytes]:
    """The texts in a list of texts; where all are equal, the file has one."""
    texts = [bytes(each) for each in reader.messages(message, 8)]
    sizes = read_shape(reader, reader.message(message, 2)) or ()
    if len(texts) == 1 and len(sizes) == 1 and 1 < (sizes[0] or 0) <= _MAX_REPEATED >> 8:
        texts *= sizes[0] or 1
    return texts


def read_texts(data: bytes, n_texts: int) -> list[bytes]:
    """The texts in a tensor of a checkpoint: their lengths, a sum, and the texts.

    Raises
    ------
    ValueError
        When it is damaged.
    """
    view, at = memoryview(data), 0
    lengths = []
    for _ in range(n_texts):
        length, at = read_varint(view, at)
        lengths.append(length)
    at += 4
    if at + sum(lengths) != len(data):
        raise ValueError("its texts are damaged")
    texts = []
    for length in lengths:
        texts.append(data[at : at + length])
        at += length
    return texts
