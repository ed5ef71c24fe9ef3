"""The command line: each command parses, calls one library function, and prints the answer.

May import every room, inside the functions that run: ``bottlebank --help`` loads no library.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

import click

from ..errors import BottlebankError, UsageError
from .commands import COMPLETION, program
from .interrupts import EXIT_CODE, Interrupts
from .output import AnswerUnreadError, NotNoticed, OneLine, answering, say
from .usage.errors import command_of, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong usage."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    handler.addFilter(NotNoticed())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # Pillow's, on metadata that is no reason to reject an image, or on one that is rejected.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    interrupts = Interrupts()
    try:
        with interrupts:
            return _answer(argv, interrupts)
    except KeyboardInterrupt:
        return _fail(interrupts.message, EXIT_CODE)


def run() -> NoReturn:
    """Run the command of this process's arguments, and end the process.

    Modules and networks are not taken down one by one: so ended, `predict` took 1.12 times as long
    (`benchmarks/startup.py`).
    """
    exit_code = main()
    logging.shutdown()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:  # such as a full disk
        exit_code = _fail(f"the answer could not be written: {error.strerror}", 1)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(exit_code)


def _open_closed_streams() -> None:
    """Where standard input, output or errors are closed, as by ``>&-``, they are empty instead.

    Else the next file that is opened takes their number, and what a library prints goes into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest: this number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 (until the end)


def _run_command(argv: list[str], interrupts: Interrupts) -> int:
    """Run a command: what click's own `main` does, but for catching errors and interrupts."""
    if wanted := os.environ.get(COMPLETION):
        return _complete(wanted)
    try:
        with program.make_context("bottlebank", argv) as context:
            interrupts.context = context
            return program.invoke(context)
    except click.exceptions.Exit as end:  # of --help and --version, or of a bare group
        return end.exit_code


def _complete(wanted: str) -> int:
    """Print what a shell needs to complete commands, or what completes one."""
    from click.shell_completion import BashComplete, add_completion_class, shell_complete

    class Bash(BashComplete):
        """Of ``--head=lo`` bash makes three words."""

        def get_completion_args(self) -> tuple[list[str], str]:
            words, begun = super().get_completion_args()
            return [word for word in words if word != "="], begun

    add_completion_class(Bash)
    try:
        with answering():
            is_unknown = shell_complete(program, {}, "bottlebank", COMPLETION, wanted)
    except (LookupError, ValueError):
        raise UsageError(
            f"{COMPLETION}: {wanted} is for the script that {wanted.partition('_')[0]}_source "
            f"prints, which sets COMP_WORDS and COMP_CWORD; these are missing or wrong"
        ) from None
    if is_unknown:
        raise UsageError(
            f"{COMPLETION}: expected bash_source, zsh_source or fish_source, received {wanted!r}"
        )
    return 0


def _answer(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    try:
        return _run_command(sys.argv[1:] if argv is None else list(argv), interrupts)
    except KeyboardInterrupt:  # here, where no further one is raised
        return _fail(interrupts.message, EXIT_CODE)
    except AnswerUnreadError:
        return 0
    except Exception as error:
        if interrupts.received:  # a library has made another exception of it
            return _fail(interrupts.message, EXIT_CODE)
        if isinstance(error, click.UsageError):
            return _fail(in_words(error), error.exit_code, command_of(error))
        if isinstance(error, BottlebankError):
            return _fail(str(error), error.exit_code)
        if os.environ.get("BOTTLEBANK_DEBUG"):
            raise
        kind = type(error).__name__
        return _fail(f"unexpected {kind}: {error} (BOTTLEBANK_DEBUG=1 shows where)", 1)


def _fail(message: str, exit_code: int, command: str = "bottlebank") -> int:
    say(f"{command}: {' '.join(message.split())}")
    return exit_code
