"""Defaults of options from environment variables: BOTTLEBANK_<NAME OF THE OPTION>."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Take defaults of options, in all commands, from BOTTLEBANK_<NAME OF THE OPTION>."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                read_environment(command, environment)
            continue
        name = f"BOTTLEBANK_{action.dest.upper()}"
        value = environment.get(name)
        if not value or not action.option_strings or action.dest in ("help", "version"):
            continue
        if isinstance(action, argparse._StoreTrueAction):
            action.default = value.lower() not in ("0", "false", "no")
        else:
            action.default = value if (reason := _why_not(action, value)) is None else reason
            action.type = _refuse if reason else action.type
            action.required = False
    for group in parser._mutually_exclusive_groups:
        group.required &= all(action.default is None for action in group._group_actions)


def _why_not(action: argparse.Action, value: str) -> str | None:
    """Why an option cannot have a value; None when it can."""
    name = f"BOTTLEBANK_{action.dest.upper()}"
    if action.choices is not None and value not in action.choices:
        return f"{name} is {value!r}, expected one of {', '.join(map(str, action.choices))}"
    if callable(action.type):
        try:
            action.type(value)
        except (argparse.ArgumentTypeError, ValueError) as error:
            return f"{name}: {error}"
    return None


def _refuse(value: str) -> str:
    """Type of an option whose default, from the environment, is the reason why it cannot be."""
    if value.startswith("BOTTLEBANK_"):
        raise argparse.ArgumentTypeError(value)
    return value
