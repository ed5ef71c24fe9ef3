"""Reading how a published network's pixels are made: fields of JSON, each understood or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ....errors import EngineError, in_brief
from ....untrusted.files import read_bounded
from ....untrusted.json_text import json_type, read_json_object
from ...images.resize import FILTERS, MAX_PX

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ...images.resize import ResizeRule
    from ..registry import PixelScaling

_MAX_BYTES = 1 << 24  # with the names of 20,000 classes
_LEAST, _MOST = 1e-9, 1e9  # of numbers; what they are divided by stays far from infinity


class PublishedPixels(NamedTuple):
    """How a picture becomes the input of a published network."""

    rule: ResizeRule
    scaling: PixelScaling


class _Constant(NamedTuple):
    """``NaN`` or ``Infinity``, which is not JSON, and no default either."""

    name: str

    def __repr__(self) -> str:
        return self.name


class Fields:
    """A JSON object of which each field is read, or refused by name."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        """Take the fields; `where` begins each message."""
        self._values, self.where = values, where
        self._read: set[str] = set()

    @classmethod
    def of_file(cls, path: Path) -> Fields:
        """Read a file.

        Raises
        ------
        EngineError
            When it cannot be read, or holds no JSON object.
        """
        try:
            text = read_bounded(path, _MAX_BYTES)
            values = read_json_object(text, _MAX_BYTES, constant=_Constant)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or in_brief(error)
            raise EngineError(f"{path} cannot be read: {reason}") from error
        return cls(values, str(path))

    def refuse(self, key: str, why: str) -> NoReturn:
        """Raise EngineError about a field."""
        raise EngineError(f"{self.where}: {in_brief(key, 60)}: {why}")

    def _expected(self, key: str, what: str) -> NoReturn:
        value = self._values.get(key)
        self.refuse(key, f"expected {what}, received {_say(value)}")

    def has(self, key: str) -> bool:
        """Whether the field is there, and not null."""
        return self._values.get(key) is not None

    def value(self, key: str) -> Any:
        """The value of a field; None where it is missing or null."""
        self._read.add(key)
        return self._values.get(key)

    def section(self, key: str) -> Fields:
        """A field that is an object."""
        value = self.value(key)
        if not isinstance(value, dict):
            self._expected(key, "an object")
        return Fields(value, f"{self.where}: {key}")

    def word(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """A field that is one of some words."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in known:
            self._expected(key, " or ".join(known))
        return value

    def flag(self, key: str, default: bool | None) -> bool:
        """A field that is true or false; None for `default`: it has to be there."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, bool):
            self._expected(key, "true or false")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A field that is a number above 0."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        if value is None or not _is_number(value) or value < _LEAST:
            self._expected(key, "a number above 0")
        return float(value)

    def scaled_px(self, key: str, px: int) -> int:
        """To how many pixels a picture is scaled, because of a field."""
        if not 1 <= px <= MAX_PX:
            value = _say(self._values.get(key))
            self.refuse(key, f"{value} would scale pictures to {px} px; expected 1 to {MAX_PX}")
        return px

    def px(self, key: str) -> int:
        """A field that is a number of pixels."""
        return self._px(key, self.value(key))

    def _px(self, key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PX:
            self._expected(key, f"1 to {MAX_PX} pixels")
        return value

    def square(self, key: str) -> int:
        """A field that is a height and a width, which are equal."""
        value = self.value(key)
        if isinstance(value, dict) and set(value) == {"height", "width"}:
            value = [value["height"], value["width"]]
        if isinstance(value, list) and len(value) == 2:
            height, width = (self._px(key, side) for side in value)
            if height != width:
                self.refuse(key, f"{height}x{width}; only square inputs can be computed")
            return height
        return self._px(key, value)

    def three(
        self, key: str, default: tuple[float, float, float] | None = None
    ) -> tuple[float, float, float]:
        """A field that is a number of each channel, or one of all."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        values: list[Any] = value if isinstance(value, list) else [value] * 3
        if len(values) != 3 or not all(map(_is_number, values)):
            self._expected(key, "three numbers")
        red, green, blue = map(float, values)
        return red, green, blue

    def deviations(
        self, key: str, default: tuple[float, float, float] | None = None
    ) -> tuple[float, float, float]:
        """As `three`, of numbers above 0."""
        values = self.three(key, default)
        if min(values) < _LEAST:
            self._expected(key, "three numbers above 0")
        return values

    def pillow_filter(self, key: str) -> str:
        """A field that is one of Pillow's filters, by number."""
        value = self.value(key)
        names = {int(number): name for name, number in FILTERS.items()}
        if isinstance(value, bool) or not isinstance(value, int) or value not in names:
            numbers = ", ".join(f"{number} ({names[number]})" for number in sorted(names))
            self._expected(key, f"a filter of Pillow: {numbers}")
        return names[value]

    def finish(self, without_effect: Collection[str]) -> None:
        """Refuse what has not been read, may change pixels, and is not switched off."""
        for key, value in self._values.items():
            is_off = value is None or (value is False and key.startswith("do_"))
            if not is_off and key not in self._read and key not in without_effect:
                self.refuse(
                    key,
                    f"{_say(value)} is not understood, and may change the pixels; if it does not, "
                    f"take it out of the file",
                )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _say(value: object) -> str:
    """A value of JSON in a message."""
    if isinstance(value, _Constant):
        return repr(value)
    simple = isinstance(value, str | int | float) or (isinstance(value, list) and len(value) <= 3)
    return in_brief(repr(value), 60) if simple and value is not None else json_type(value)
