"""Structures in Thrift's compact protocol, of which Parquet's page headers are made."""

from __future__ import annotations

_MOST_DEPTH = 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)
_MOST_BITS = 70

Struct = dict[int, "int | bool | Struct"]
"""The numbers, truth values and structures in it, by their field's number."""


def read_struct(data: bytes) -> tuple[Struct, int]:
    """A structure and where it ends; texts, lists and maps in it are passed over.

    Raises
    ------
    EOFError
        When more bytes are needed.
    ValueError
        When it is none.
    """
    return _struct(data, 0, 0)


def _struct(data: bytes, at: int, depth: int) -> tuple[Struct, int]:
    if depth > _MOST_DEPTH:
        raise ValueError("structures that are nested too deeply")
    found: Struct = {}
    number = 0
    while True:
        head = _byte(data, at)
        at += 1
        if not head:
            return found, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _signed(data, at)
        kind = head & 15
        if kind in (_TRUE, _FALSE):
            found[number] = kind == _TRUE
        elif kind in _NUMBERS:
            found[number], at = _signed(data, at)
        elif kind == _STRUCT:
            found[number], at = _struct(data, at, depth + 1)
        else:
            at = _after(data, at, kind, depth)


def _after(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends that says nothing here."""
    if kind in (_TRUE, _FALSE, _BYTE):  # in a list
        return at + 1
    if kind in _NUMBERS:
        return varint(data, at)[1]
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        n_bytes, at = varint(data, at)
        return at + n_bytes
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)[1]
    if kind not in (_LIST, _SET) or depth > _MOST_DEPTH:
        raise ValueError("a field of an unknown kind")
    head = _byte(data, at)
    n_values, at = (head >> 4, at + 1) if head >> 4 < 15 else varint(data, at + 1)
    for _ in range(n_values):
        _byte(data, at)
        at = _after(data, at, head & 15, depth + 1)
    return at


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of seven bits a byte, and where it ends."""
    number = shift = 0
    while True:
        byte = _byte(data, at)
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > _MOST_BITS:
            raise ValueError("a number of too many bits")


def _signed(data: bytes, at: int) -> tuple[int, int]:
    number, at = varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise EOFError
    return data[at]
