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
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..errors import BottlebankError, UsageError
from .command import Group, Option
from .environment import PREFIX
from .interrupts import EXIT_CODE, MESSAGE, Interrupts
from .output import (
    AnswerUnreadError,
    OneLine,
    print_help,
    say,
)
from .usage_errors import command_of, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "extract": "Bring the transfer values of every image into the cache.",
    "train": "Train a head on a dataset, extracting first what is not in the cache.",
    "evaluate": "Evaluate a head on one split of a dataset.",
    "compare": "Cross-validate heads and extractors on the same folds, and say what differs.",
    "predict": "Predict the classes of images; one line of output each.",
    "plot": "Draw a map on which images with similar transfer values lie together.",
    "serve": "Answer predictions over HTTP, with a page to drop images on.",
    "cache": "Look into the cache, check it, tidy it, share it.",
    "demo": "Extract, train, evaluate, draw maps and predict, on scikit-learn's digits.",
}
_OF_THE_CACHE = {
    "info": "What the cache holds, by recipe: rows, bytes, rejected images and why.",
    "verify": "Check every byte of every shard; exit 1 on damage.",
    "prune": "Remove rows whose images are gone and damaged shards, and merge small shards; only "
    "says what it would do, unless --yes.",
    "export": "Write one plain HDF5 file for other tools: features, keys, paths.",
    "import": "Bring in the rows of another cache folder, or of a file from `cache export`; exit 1 "
    "where nothing of it can be.",
}
_COMPLETION = "_BOTTLEBANK_COMPLETE"
_SETTINGS: dict[str, Any] = {"auto_envvar_prefix": PREFIX}


def _print_version(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        print_help(f"bottlebank {__version__}\n", sys.stdout)
        ctx.exit()


program = Group(
    "bottlebank",
    summaries=_COMMANDS,
    groups=[
        Group(
            "cache",
            summaries=_OF_THE_CACHE,
            module_prefix="cache_",
            help=_COMMANDS["cache"],
            subcommand_metavar="ACTION ...",
            epilogue=["\b\nExample:\n  bottlebank cache info"],
        )
    ],
    params=[
        Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            only_typed=True,
            callback=_print_version,
            help="show the version and exit",
        )
    ],
    help="Bank the bottleneck features of your images once; train, look at and serve small heads "
    "on them in seconds.",
    subcommand_metavar="COMMAND ...",
    epilogue=[
        "Environment variables: BOTTLEBANK_CACHE, BOTTLEBANK_EXTRACTOR, BOTTLEBANK_ENGINE and "
        "BOTTLEBANK_PRECISION set these options for every command; any other option is "
        "BOTTLEBANK_<COMMAND>_<OPTION>, such as BOTTLEBANK_SERVE_PORT.",
        "Completion of commands, options, choices and paths, in bash (also zsh and fish):",
        f'\b\n  eval "$({_COMPLETION}=bash_source bottlebank)"',
        "\b\nExample:\n  bottlebank train photos/ --output head.h5",
    ],
)
"""All commands; each is imported when it is run."""


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


def _run_command(argv: list[str]) -> int:
    """Run a command: what click's own `main` does, but for catching errors and interrupts."""
    if wanted := os.environ.get(_COMPLETION):
        return _complete(wanted)
    try:
        with program.make_context("bottlebank", argv, **_SETTINGS) as context:
            return program.invoke(context)
    except click.exceptions.Exit as end:  # of --help
        return end.exit_code


def _complete(wanted: str) -> int:
    """Print what a shell needs to complete commands, or what completes one."""
    from click.shell_completion import shell_complete

    if shell_complete(program, _SETTINGS, "bottlebank", _COMPLETION, wanted):
        raise UsageError(
            f"{_COMPLETION}: expected bash_source, zsh_source or fish_source, received {wanted!r}"
        )
    return 0


def _answer(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    try:
        return _run_command(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:  # here, where no further one is raised
        return _fail(MESSAGE, EXIT_CODE)
    except AnswerUnreadError:
        return 0
    except Exception as error:
        if interrupts.received:  # a library has made another exception of it
            return _fail(MESSAGE, EXIT_CODE)
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
