"""Arguments that are nearly right: suggestions, and what click would misread."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

_NUMBER = re.compile(r"-\.?\d")


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """``; did you mean 'train'?``, or nothing where no name is near."""
    from difflib import get_close_matches

    near = get_close_matches(typed.partition("=")[0], list(known), 1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def options_first(arguments: Sequence[str], context: click.Context) -> list[str]:
    """The arguments of a command as click cannot misread them: options, ``--``, the others.

    Of ``--cache --json`` click would take ``--json`` for the folder, of ``-o=map.png`` the name
    ``=map.png``, and ``-1.png`` for an option.

    Raises
    ------
    click.BadOptionUsage
        When an option that takes a value has none, or one that takes none has a value.
    """
    params = context.command.params
    options = {
        name: each for each in params if isinstance(each, click.Option) for name in each.opts
    }
    first: list[str] = []
    others: list[str] = []
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument == "--":
            others += rest
            break
        if not _is_option(argument, options):
            others.append(argument)
        else:
            name, has_value, value = _split(argument)
            option = options.get(name)
            if option is None or option.is_flag:
                if option is not None and argument.startswith("--") and has_value:
                    raise click.BadOptionUsage(name, "expected no value", context)
                first.append(argument)
                continue
            if not has_value:
                takes = getattr(option, "takes", None)
                if takes is not None and not (rest and takes(rest[0])):
                    first += [name, str(option.flag_value)]
                    continue
                value = rest.popleft() if rest else "--"
                if _is_option(value, options):
                    received = "none" if value == "--" else f"the option {value}"
                    raise click.BadOptionUsage(
                        name, f"expected a value, received {received}", context
                    )
            first += [name, value]
    return [*first, "--", *others]


def _split(argument: str) -> tuple[str, bool, str]:
    """The name of an option, whether a value is attached to it, and the value."""
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        return name, bool(equals), value
    return argument[:2], len(argument) > 2, argument[2:].removeprefix("=")


def _is_option(argument: str, options: Container[str]) -> bool:
    """Whether it is an option; not ``-`` for standard input, a number or a name with a space.

    A space may stand in the value that is attached to one of `options`.
    """
    if not argument.startswith("-") or len(argument) < 2 or _NUMBER.match(argument):
        return False
    name, has_value, _ = _split(argument)
    return " " not in argument or (has_value and name in options)
