"""Options from environment variables: which variable sets what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .mistakes import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import click

PREFIX = "BOTTLEBANK"
SHARED = ("cache", "extractor", "engine", "precision")
"""Options that one variable sets for all commands, such as `BOTTLEBANK_CACHE`. The variable of any
other option has the command in its name, such as `BOTTLEBANK_SERVE_PORT`."""
_FORMER_NAMES = {"BOTTLEBANK_TRAIN_HEAD": "BOTTLEBANK_HEAD_KIND"}
"""Names up to 0.1.0, where they were not simply `BOTTLEBANK_<OPTION>`."""


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
    """The variable that sets an option now, if any does.

    One that is empty sets nothing, unless the option protects something.
    """
    not_set = (None,) if getattr(option, "does_empty_count", False) else (None, "")
    names = variables_of(option, context)
    return next((name for name in names if os.environ.get(name) not in not_set), None)


def notes_on_unread(options: Iterable[click.Option], context: click.Context) -> Iterator[str]:
    """A note on each variable that is set, seems meant for this command, and is not read."""
    own = f"{context.auto_envvar_prefix}_"
    options_by_name = {f"{own}{str(option.name).upper()}": option for option in options}
    for name, option in options_by_name.items():
        former = _FORMER_NAMES.get(name, shared_variable(str(option.name)))
        read = variables_of(option, context)
        typed = f"{max(option.opts, key=len)} has to be typed"
        for unread in {name, former} - {*read, *map(shared_variable, SHARED)}:
            if os.environ.get(unread):
                yield f"{unread} is not read: {f'set {read[0]} in its place' if read else typed}"
    for name in os.environ:
        if name.startswith(own) and name not in options_by_name:
            meant = did_you_mean(name, options_by_name)
            yield f"{name} is not read: no option has this name{meant}"
