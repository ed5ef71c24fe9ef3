"""Protocol buffers as bytes, read with a bound on the number of parts, and written.

TensorFlow's own classes for them come with TensorFlow alone, and parse all of a file at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5

_MAX_PARTS = 1_000_000
_MAX_TEXT_BYTES = 4096
_CUT_SHORT = "it is damaged, or cut short"


class Reader:
    """Reads the messages of one file, and counts their parts."""

    def __init__(self) -> None:
        self._n_left = _MAX_PARTS

    def fields(self, message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """The fields of a message: number, wire type, and the number or the bytes.

        Raises
        ------
        ValueError
            When it is not a message, or the file has too many parts.
        """
        at, end = 0, len(message)
        while at < end:
            self._n_left -= 1
            if self._n_left < 0:
                raise ValueError(f"it has more than {_MAX_PARTS:,} parts")
            key = message[at]
            at += 1
            if key >= 0x80:
                key, at = read_varint(message, at - 1)
            number, wire_type = key >> 3, key & 7
            if not number:
                raise ValueError(_CUT_SHORT)
            if wire_type in (BYTES, VARINT):
                length = message[at] if at < end else 0x80
                at += 1
                if length >= 0x80:
                    length, at = read_varint(message, at - 1)
                if wire_type == VARINT:
                    yield number, wire_type, length
                    continue
            elif wire_type in (FOUR_BYTES, EIGHT_BYTES):
                length = 4 if wire_type == FOUR_BYTES else 8
            else:
                raise ValueError(_CUT_SHORT)
            value = message[at : at + length]
            at += length
            if at > end:
                raise ValueError(_CUT_SHORT)
            yield number, wire_type, value

    def messages(self, message: memoryview, number: int) -> list[memoryview]:
        """The bytes of all fields of a number."""
        return [
            value
            for found, wire_type, value in self.fields(message)
            if found == number and wire_type == BYTES and isinstance(value, memoryview)
        ]

    def message(self, message: memoryview, number: int) -> memoryview:
        """The bytes of the last field of a number; empty if there is none."""
        found = self.messages(message, number)
        return found[-1] if found else memoryview(b"")

    def text(self, message: memoryview, number: int) -> str:
        """The last field of a number as text."""
        return text_of(self.message(message, number))

    def texts(self, message: memoryview, number: int) -> list[str]:
        """All fields of a number as text."""
        return [text_of(each) for each in self.messages(message, number)]

    def numbers(self, message: memoryview, number: int) -> list[int]:
        """All numbers in fields of a number, packed or not, as unsigned ones."""
        numbers: list[int] = []
        for found, _, value in self.fields(message):
            if found != number:
                continue
            if isinstance(value, int):
                numbers.append(value)
                continue
            at = 0
            while at < len(value):
                self._n_left -= 1
                if self._n_left < 0:
                    raise ValueError(f"it has more than {_MAX_PARTS:,} parts")
                each, at = read_varint(value, at)
                numbers.append(each)
        return numbers

    def number(self, message: memoryview, number: int) -> int:
        """The last number of a field, as a signed one; 0 if there is none."""
        found = self.numbers(message, number)
        return signed(found[-1]) if found else 0

    def pairs(self, message: memoryview, number: int) -> dict[str, memoryview]:
        """A map from texts to messages."""
        entries = self.messages(message, number)
        return {self.text(entry, 1): self.message(entry, 2) for entry in entries}


def signed(value: int) -> int:
    """A number of 64 bits as a signed one."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text_of(data: memoryview) -> str:
    """Bytes as text.

    Raises
    ------
    ValueError
        When they are none, or many.
    """
    if len(data) > _MAX_TEXT_BYTES:
        raise ValueError(f"it has a name of {len(data):,} bytes")
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise ValueError("it has a name that is not text") from error


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends.

    Raises
    ------
    ValueError
        When it does not end.
    """
    try:
        value = data[at]
        at += 1
        if value < 0x80:
            return value, at
        value &= 0x7F
        for shift in range(7, 70, 7):
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & ((1 << 64) - 1), at
    except IndexError:
        pass
    raise ValueError(_CUT_SHORT)


def varint(value: int) -> bytes:
    """A number as bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | bytes | str | memoryview) -> bytes:
    """A field of a message: a number, or bytes of any kind."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(data)) + data
