"""Options from environment variables: their names, and what is set in vain."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .mistakes import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import click

PREFIX = "BOTTLEBANK"
SHARED = ("cache", "extractor", "engine", "precision")
"""Options whose variable is one for all commands: `BOTTLEBANK_CACHE`, ...; the variable of any
other is named after the command too, such as `BOTTLEBANK_SERVE_PORT`."""
_NAMES_BEFORE = {"BOTTLEBANK_TRAIN_HEAD": "BOTTLEBANK_HEAD_KIND"}
"""Of variables that had not the name of their option; until 0.1.0 none had the command's."""


def shared_variable(option: str) -> str:
    """The variable that sets an option of this name for every command."""
    return f"{PREFIX}_{option.upper()}"


def variables_of(option: click.Option, context: click.Context) -> tuple[str, ...]:
    """The variables that set an option; the first that is set counts."""
    found = (option.envvar,) if isinstance(option.envvar, str) else tuple(option.envvar or ())
    if option.allow_from_autoenv:
        return (*found, f"{context.auto_envvar_prefix}_{str(option.name).upper()}")
    return found


def variable_that_is_set(option: click.Option, context: click.Context) -> str | None:
    """The variable that sets an option now, if any does."""
    return next((name for name in variables_of(option, context) if os.environ.get(name)), None)


def set_in_vain(options: Iterable[click.Option], context: click.Context) -> Iterator[str]:
    """Say of each variable that seems to be meant for this command why it is not read."""
    own = f"{context.auto_envvar_prefix}_"
    known: set[str] = set()
    for option in options:
        names = variables_of(option, context)
        known.update(names)
        name = names[0] if names else f"{own}{str(option.name).upper()}"
        before = _NAMES_BEFORE.get(name, f"{PREFIX}_{name.removeprefix(own)}")
        if not names:
            typed = max(option.opts, key=len)
            known.add(name)
            for each in (name, before):
                if os.environ.get(each):
                    yield f"{each} is not read: {typed} has to be typed"
        elif os.environ.get(before) and before not in map(shared_variable, SHARED):
            yield f"{before} is not read any more: set {name} in its place"
    for name in os.environ:
        if name.startswith(own) and name not in known:
            yield f"{name} is not read: no option has this name{did_you_mean(name, known)}"
