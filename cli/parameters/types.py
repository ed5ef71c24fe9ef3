"""Types of options and arguments: what their text has to be, and how a shell completes it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ...errors import UsageError
from ...features.backbones.registry import is_backbone
from ...hardware import require_memory
from ..usage.mistakes import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Choice(click.Choice[str]):
    """One of a few names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One of the names as it is written."""
        if value not in self.choices:
            self.fail(
                f"expected one of {', '.join(self.choices)}, received {value!r}"
                f"{did_you_mean(str(value), self.choices)}",
                param,
                ctx,
            )
        return value


_MOST = 2**63 - 1  # of NumPy's whole numbers


class WholeNumber(click.ParamType):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            number = int(value)
        except ValueError:
            number = self._least - 1
        most = self._most
        if most is None and number > _MOST:
            most = _MOST
        if number < self._least or (most is not None and number > most):
            at_most = "" if most is None else f" and at most {most}"
            self.fail(
                f"expected a whole number of at least {self._least}{at_most}, received {value!r}",
                param,
                ctx,
            )
        return number


class Number(click.ParamType):
    """A number above one bound and below another; `wanted` says so in words."""

    name = "number"

    def __init__(self, wanted: str, above: float, below: float) -> None:
        self._wanted, self._above, self._below = wanted, above, below

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self._above < number < self._below:
            self.fail(f"expected {self._wanted}, received {value!r}", param, ctx)
        return number


class Memory(click.ParamType):
    """A number of bytes, with a unit or without, or a share of what is available."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        try:
            return require_memory("", value)
        except UsageError:
            self.fail(
                f"expected a size such as 1G or 2G, or a share such as 50%, received {value!r}",
                param,
                ctx,
            )


class Checked(click.ParamType):
    """A text that a function of the program understands.

    Parameters
    ----------
    read
        Raises UsageError for a text that it does not understand.
    """

    name = "text"

    def __init__(self, read: Callable[[str], object]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        try:
            self._read(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        return value


class Names(click.ParamType):
    """Names separated by commas, as a list without repetitions.

    Parameters
    ----------
    known
        Names that a shell completes.
    only_known
        Whether any other name is refused.
    """

    name = "names"

    def __init__(self, known: Sequence[str] = (), *, only_known: bool = False) -> None:
        self._known, self._only_known = known, only_known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """The names, in their order."""
        if not isinstance(value, str):
            return list(value)
        found = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not found:
            self.fail(f"expected names separated by commas, received {value!r}", param, ctx)
        for name in found if self._only_known else []:
            if name not in self._known:
                self.fail(
                    f"expected some of {', '.join(self._known)}, received {name!r}"
                    f"{did_you_mean(name, self._known)}",
                    param,
                    ctx,
                )
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """What the last of the names can be."""
        before, comma, begun = incomplete.rpartition(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in self._known
            if name.startswith(begun) and name not in before.split(",")
        ]


class Extractors(Names):
    """Extractors, which are names separated by commas, or one path that may hold commas."""

    name = "extractors"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """The names, in their order; or the path of what there is, whole."""
        found = super().convert(value, param, ctx)
        is_path = not all(map(is_backbone, found)) and os.path.lexists(value)
        return [value] if is_path else found

    def split_envvar_value(self, rv: str) -> list[str]:
        """One value, as it would be typed."""
        return [rv]


class WholeNumbers(Names):
    """Whole numbers of at least 1, separated by commas; 0 for none of them."""

    name = "numbers"

    def convert(  # pyright: ignore[reportIncompatibleMethodOverride] (numbers in place of names)
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers, in their order; some may be equal."""
        super().convert(value, param, ctx)  # refuses what names no number
        given = [number.strip() for number in value.split(",") if number.strip()]
        if given == ["0"]:
            return ()
        return tuple(COUNT.convert(number, param, ctx) for number in given)


class Name(click.ParamType):
    """A name, of which a shell completes the best known."""

    name = "name"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The best known names that begin so."""
        return [CompletionItem(name) for name in self._known if name.startswith(incomplete)]


class Path(click.ParamType):
    """A path, which may have bytes that are not UTF-8.

    Parameters
    ----------
    completes
        What a shell completes: `file` (folders included) or `dir`.
    """

    name = "path"

    def __init__(self, completes: str = "file") -> None:
        self._completes = completes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it is; an empty one is a variable of a shell that was not set."""
        if not value:
            self.fail("expected a path, received nothing", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Have the shell complete it."""
        begun = incomplete.encode(errors="replace").decode()
        return [CompletionItem(begun, type=self._completes)]


COUNT = WholeNumber(1)
SHARE = Number("a number between 0 and 1", 0, 1)
SHARE_OR_NONE = Number("a number of at least 0 and below 1", -math.ulp(0), 1)
POSITIVE = Number("a positive number", 0, math.inf)
MEGABYTES = Number("megabytes, 0 for none", -math.ulp(0), math.inf)
PERPLEXITY = Number("a number of at least 1", math.nextafter(1, 0), math.inf)
NEIGHBORS = WholeNumber(2)
"""Of UMAP, which refuses fewer."""
SEED = WholeNumber(0, 2**32 - 1)
"""What NumPy takes for a seed."""
FILE = Path("file")
FOLDER = Path("dir")
