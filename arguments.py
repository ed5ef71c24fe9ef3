"""What callers pass in Python: how a message shows it, and what may be a path or a number."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import ParameterError, UsageError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MAX_SEED = 2**32 - 1
LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9
"""Of a row that weighs more than 0: of others, sums would leave the range of float32."""
_LONGEST_VALUE = 80
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgt])i?)?b?", re.ASCII | re.IGNORECASE)
_LARGEST_SIZE = 1 << 60
_SPOKEN_WITH_A_VOWEL = "aeioAEIO"


def received(value: object) -> str:
    """A value as one line of bounded length, for a message: an array or a table is cut."""
    text = repr(value)
    if not isinstance(value, str):
        text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def is_one_of(value: object, known: Collection[str]) -> bool:
    """Whether a value is one of some names; an array, which cannot be compared, is none."""
    return isinstance(value, str) and value in known


def require_one_of(name: str, value: object, known: Sequence[str]) -> str:
    """One of some names, of which there are at least two."""
    if not is_one_of(value, known):
        expected = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ParameterError(name, f"is one of {expected}; received {received(value)}")
    return str(value)


def type_of(value: object) -> str:
    """What kind of thing a value is, for a message: ``a FeatureTable``, ``None``."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0] in _SPOKEN_WITH_A_VOWEL or name == 'ndarray' else 'a'} {name}"


def listed(value: object) -> list[Any] | None:
    """What a list, a generator or the like holds; None where a value is one thing, as text is."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return None
    return list(value)


def require_path(value: object, wanted: str, instead: str = "") -> Path:
    """The path that a caller gave.

    Parameters
    ----------
    value
        Str or path-like.
    wanted
        What it is to be the path of, with "the path of", for the message.
    instead
        What to do otherwise, for the message.

    Raises
    ------
    WrongTypeError
        When it is something else.
    UsageError
        When it holds a null character, which no path has, or is too long for the file system.
    """
    remedy = f": {instead}" if instead else ""
    if not isinstance(value, (str, os.PathLike)):
        raise WrongTypeError(f"expected {wanted}, received {type_of(value)}{remedy}")
    name = os.fsdecode(value)
    if "\0" in name:
        raise UsageError(f"expected {wanted}, received {received(name)}, which no path can be")
    try:
        os.stat(name)  # noqa: PTH116 (the same, and `Path` comes after the checks)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(
                f"expected {wanted}, received {received(name)}: {error.strerror}"
            ) from error
    return Path(name)


def require_whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number of at least `least`, and of at most `most` where that is given."""
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or number < least or (most is not None and number > most):
        at_most = "" if most is None else f" and at most {most}"
        raise ParameterError(
            name, f"is {received(value)}; expected a whole number of at least {least}{at_most}"
        )
    return number


def require_number(name: str, value: object, wanted: str, above: float, below: float) -> float:
    """A finite number above one bound and below another; `wanted` says so in words."""
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond the largest float
            number = float(value)
    if not above < number < below:
        raise ParameterError(name, f"is {received(value)}; expected {wanted}")
    return number


def require_size(name: str, value: object) -> int:
    """A number of bytes; as text with a unit, of which each is 1024 times the one before.

    ``2G``, ``2Gi``, ``2 GB`` and ``2GiB`` are the same, ``1.5g`` and ``512M`` others.
    """
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        number, unit = found.groups()
        n_bytes = float(number) * 1024 ** " kmgt".index((unit or " ").lower())
        if 1 <= n_bytes <= _LARGEST_SIZE:
            return int(n_bytes)
    elif isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise ParameterError(
        name, f"is {received(value)}; expected a number of bytes, or text such as '1G' or '2G'"
    )


def require_seed(name: str, value: object) -> int:
    """A whole number that NumPy takes as a seed."""
    return require_whole(name, value, 0, MAX_SEED)


def require_timeout(name: str, value: object) -> float | None:
    """A positive number of seconds, or None."""
    wanted = "a positive number of seconds, or None"
    return None if value is None else require_number(name, value, wanted, 0, math.inf)
