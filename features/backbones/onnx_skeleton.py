"""The structure of an ONNX file without its weights, copied in bounded time and memory.

A few bytes of protobuf can become many objects, and a file of two gigabytes many more. So each
field is counted before the library parses anything, and large data stays in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onnx import ModelProto, TensorProto

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = (1 << 31) - 1
"""What protobuf reads at most."""

_MAX_FIELDS = 500_000
_MAX_DEPTH = 32
_MAX_SKELETON_BYTES = 1 << 25
DATA_KEPT_BYTES = 1 << 12
"""Numbers up to here may be shapes, which the structure needs."""

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_TENSOR = TensorProto.DESCRIPTOR
_DATA = {field.number: field.name for field in _TENSOR.fields if field.name.endswith("_data")}
_SEGMENT = _TENSOR.fields_by_name["segment"].number
_NOT_COPIED = ("doc_string", "metadata_props", "training_info", "quantization_annotation")


class _Field(NamedTuple):
    number: int
    wire_type: int
    start: int
    """Of the field, its key included."""
    value: int
    """Where its value starts, behind the length where it has one."""
    end: int


def skeleton(data: memoryview) -> ModelProto:
    """Copy the structure of a serialised model.

    Parameters
    ----------
    data
        The file.

    Returns
    -------
    ModelProto
        A tensor of more than 4 KiB has, instead of its data, a `segment`, which says how many
        bytes of data the file holds: its `begin` is the number of the field, its `end` the bytes.

    Raises
    ------
    ValueError
        When it is not such a model, is cut short, or has too many parts.
    """
    copied = _Copier(data).message(ModelProto.DESCRIPTOR, 0, len(data), 0)
    model = ModelProto()
    try:
        model.ParseFromString(copied)
    except Exception as error:  # of protobuf's own classes
        raise ValueError(f"it is not an ONNX model: {error}") from error
    return model


class _Copier:
    """Walks through a serialised message."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._n_fields = 0
        self._n_bytes = 0

    def message(self, descriptor: Any, start: int, end: int, depth: int) -> bytes:
        """A copy of the message between two offsets."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"its parts are nested more than {_MAX_DEPTH} deep")
        parts: list[bytes | memoryview] = []
        known = descriptor.fields_by_number
        is_tensor = descriptor.full_name == _TENSOR.full_name
        n_left_out: dict[int, int] = {}
        for field in self._fields(start, end):
            kind = known.get(field.number)
            if kind is None or (kind.name in _NOT_COPIED and depth):
                continue
            n_bytes = field.end - field.value
            if kind.message_type is not None:
                if field.wire_type != _BYTES or (is_tensor and field.number == _SEGMENT):
                    continue
                inner = self.message(kind.message_type, field.value, field.end, depth + 1)
                parts += [_varint(field.number << 3 | _BYTES), _varint(len(inner)), inner]
            elif is_tensor and field.number in _DATA and n_bytes > DATA_KEPT_BYTES:
                n_left_out[field.number] = n_left_out.get(field.number, 0) + n_bytes
            else:
                self._count_bytes(field.end - field.start)
                parts.append(self._data[field.start : field.end])
        for number, n_bytes in n_left_out.items():
            segment = b"\x08" + _varint(number) + b"\x10" + _varint(n_bytes)
            parts += [_varint(_SEGMENT << 3 | _BYTES), _varint(len(segment)), segment]
        return b"".join(parts)

    def _count_bytes(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        if self._n_bytes > _MAX_SKELETON_BYTES:
            raise ValueError(f"its structure alone is larger than {_MAX_SKELETON_BYTES >> 20} MiB")

    def _fields(self, start: int, end: int) -> Iterator[_Field]:
        at = start
        while at < end:
            self._n_fields += 1
            if self._n_fields > _MAX_FIELDS:
                raise ValueError(f"it has more than {_MAX_FIELDS:,} parts")
            key, value = self._read_varint(at, end)
            number, wire_type = key >> 3, key & 7
            if wire_type == _BYTES:
                n_bytes, value = self._read_varint(value, end)
                stop = value + n_bytes
            elif wire_type == _VARINT:
                _, stop = self._read_varint(value, end)
            elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
                stop = value + (8 if wire_type == _EIGHT_BYTES else 4)
            else:
                raise ValueError(_NOT_A_MODEL)
            if number == 0:
                raise ValueError(_NOT_A_MODEL)
            if stop > end:
                raise ValueError("it is not an ONNX model, or cut short")
            yield _Field(number, wire_type, at, value, stop)
            at = stop

    def _read_varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise ValueError(_NOT_A_MODEL)


_NOT_A_MODEL = "it is not an ONNX model, or cut short"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
