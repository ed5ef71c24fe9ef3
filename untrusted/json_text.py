"""JSON objects of bounded size and depth, without duplicate fields."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DEPTH = 16
_MAX_DIGITS = 1000


def read_json(
    text: str | bytes,
    max_bytes: int,
    max_depth: int = _MAX_DEPTH,
    constant: Callable[[str], Any] = lambda name: None,
) -> Any:
    """Read JSON. ``NaN`` and ``Infinity``, which are not JSON, are what `constant` makes of them.

    Raises
    ------
    ValueError
        When it is longer than `max_bytes`, no JSON, or deeper than `max_depth` levels, has a field
        twice, a number beyond the largest float, or a whole number of more than 1,000 digits.
    """
    if len(text) > max_bytes:
        raise ValueError(f"{len(text):,} bytes of JSON; at most {max_bytes:,} are read")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=constant,
            parse_int=_whole_number,
        )
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    _require_shallow(value, max_depth)
    return value


def read_json_object(
    text: str | bytes,
    max_bytes: int,
    max_depth: int = _MAX_DEPTH,
    constant: Callable[[str], Any] = lambda name: None,
) -> dict[str, Any]:
    """As `read_json`, for an object."""
    value = read_json(text, max_bytes, max_depth, constant)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType] (JSON's fields have names)


def json_type(value: object) -> str:
    """What a value of JSON is called in a message: `an object`, `null`."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")


def _whole_number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"field {twice[:100]!r} is there twice")
    return found


def _require_shallow(value: Any, depth: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number beyond the largest float")
    if isinstance(value, dict | list):
        if not depth:
            raise ValueError("JSON that is nested too deeply")
        items: Any = value.values() if isinstance(value, dict) else value  # pyright: ignore
        for item in items:
            _require_shallow(item, depth - 1)
