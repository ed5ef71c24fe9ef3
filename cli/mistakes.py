"""What somebody may have meant who typed a name that is not there."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_NUMBER = re.compile(r"-\.?\d")


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """``; did you mean 'train'?``, or nothing where no name is near."""
    near = difflib.get_close_matches(typed.partition("=")[0], list(known), 1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_option(
    typed: Sequence[str], options: Collection[str], *, takes_commands: bool
) -> str | None:
    """The first of the arguments that is an option and none of `options`.

    argparse would complain of a missing argument first: of ``--ouput h.h5`` that --output is
    required. What follows a command belongs to the command.
    """
    for argument in typed:
        if argument == "--" or (takes_commands and not argument.startswith("-")):
            return None
        if len(argument) < 2 or argument[0] != "-" or " " in argument or _NUMBER.match(argument):
            continue
        name = argument.partition("=")[0] if argument.startswith("--") else argument[:2]
        if name not in options:
            return argument
    return None
