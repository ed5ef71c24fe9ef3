"""What callers pass in Python: how a message shows it, and what may be a path."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .errors import UsageError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Collection

_LONGEST_VALUE = 80
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
        When it holds a null character, which no path has.
    """
    remedy = f": {instead}" if instead else ""
    if not isinstance(value, (str, os.PathLike)):
        raise WrongTypeError(f"expected {wanted}, received {type_of(value)}{remedy}")
    name = os.fsdecode(value)
    if "\0" in name:
        raise UsageError(f"expected {wanted}, received {received(name)}, which no path can be")
    return Path(name)
