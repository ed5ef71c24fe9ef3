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

from .. import __version__
from ..errors import BottlebankError
from . import cache, compare, demo, evaluate, extract, plot, predict, serve, train
from .answers import AnswerUnreadError, OneLine, say
from .environment import read_environment
from .interrupts import EXIT_CODE, MESSAGE, Interrupts
from .parser import Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (extract, train, evaluate, compare, predict, plot, serve, cache, demo)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong usage."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # Pillow's, on metadata that is no reason to reject an image, or on one that is rejected.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Interrupts() as interrupts:
            return _answer(argv, interrupts)
    except KeyboardInterrupt:
        return _fail(MESSAGE, EXIT_CODE)


def run() -> NoReturn:
    """Run the command of this process's arguments, and end the process.

    It ends without taking down what it has loaded, module by module and network by network,
    which would take a tenth of a second of every command, and more with TensorFlow.
    """
    try:
        exit_code = main()
    except SystemExit as end:  # of --help, or wrong usage
        exit_code = end.code if isinstance(end.code, int) else 0
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


def build_parser() -> Parser:
    """All commands, with defaults from the environment."""
    parser = Parser(
        prog="bottlebank",
        description="Bank the bottleneck features of your images once; train, look at and serve "
        "small heads on them in seconds.",
        epilog="Every option --some-name can also be set as BOTTLEBANK_SOME_NAME. "
        "Example: bottlebank train photos/ --output head.h5",
    )
    parser.add_argument("--version", action="version", version=f"bottlebank {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for module in _COMMANDS:
        module.add_to(commands)
    read_environment(parser, os.environ)
    return parser


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


def _answer(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    try:
        arguments = build_parser().parse_args(argv)
        return arguments.run(arguments)
    except KeyboardInterrupt:  # here, where no further one is raised
        return _fail(MESSAGE, EXIT_CODE)
    except AnswerUnreadError:
        return 0
    except Exception as error:
        if interrupts.received:  # a library has made another exception of it
            return _fail(MESSAGE, EXIT_CODE)
        if isinstance(error, BottlebankError):
            return _fail(str(error), error.exit_code)
        if os.environ.get("BOTTLEBANK_DEBUG"):
            raise
        kind = type(error).__name__
        return _fail(f"unexpected {kind}: {error} (BOTTLEBANK_DEBUG=1 shows where)", 1)


def _fail(message: str, exit_code: int) -> int:
    say(f"bottlebank: {' '.join(message.split())}")
    return exit_code
