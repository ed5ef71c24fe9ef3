"""Printing: answers on stdout, remarks on stderr. Nothing else in the package prints."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import BottlebankError
from ..formatting import percent, with_interval
from ..untrusted.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ..training.cross_validation import CrossValidated

__all__ = [
    "OneLine",
    "Stopwatch",
    "invocation",
    "percent",
    "print_json",
    "report_rejections",
    "say",
    "tell",
    "tell_cross_validated",
    "with_interval",
]

_REJECTIONS_SHOWN = 100


class Stopwatch:
    """Seconds since it was created."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __call__(self) -> float:
        """Seconds, to the millisecond."""
        return round(time.perf_counter() - self._start, 3)


class AnswerUnreadError(Exception):
    """Signal to `cli`: the reader of stdout, such as `head`, has closed it."""


def print_json(answer: dict[str, Any], **lists: Iterable[Any]) -> None:
    """Print one object on one line, in ASCII; a number that is not finite, as null.

    `lists` come last in it, and are taken an item at a time.
    """
    try:
        text = json.dumps(answer, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(answer), allow_nan=False)
    with answering():
        print(text.removesuffix("}"), end="")
        for name, items in lists.items():
            print(f"{', ' if answer else ''}{json.dumps(name)}: [", end="")
            for number, item in enumerate(items):
                print(f"{', ' if number else ''}{json.dumps(item)}", end="")
            print("]", end="")
        print("}", flush=True)


def _finite(value: Any) -> Any:
    """The same with None for infinity and NaN, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_help(text: str, stream: TextIO) -> None:
    """Print help or the version, as it is."""
    with answering():
        print(text, end="", file=stream, flush=True)


def tell(*lines: str, flush: bool = False) -> None:
    """Print lines of the answer on stdout; control characters in what they quote are escaped."""
    with answering():
        print("\n".join(map(shown, lines)), flush=flush)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn an error of writing to stdout into one that `main` handles."""
    try:
        yield
    except BrokenPipeError:
        _write_nothing_more()
        raise AnswerUnreadError from None
    except OSError as error:  # such as a full disk
        _write_nothing_more()
        raise BottlebankError(f"the answer could not be written: {error.strerror}") from error


def _write_nothing_more() -> None:
    """Let what stdout still has in its buffer go nowhere, instead of failing again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(*lines: str) -> None:
    """Print remarks on stderr, escaped as by `tell`; a closed or full stderr is not an error."""
    with contextlib.suppress(OSError):
        print("\n".join(map(shown, lines)), file=sys.stderr)


class OneLine(logging.Formatter):
    """A log record as one escaped line: it may quote names and errors from elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, without anything else."""
        return shown(" ".join(record.getMessage().split()))


class NotNoticed(logging.Filter):
    """Drops a record whose `notice` an earlier one had: it is about the machine, not a file."""

    def __init__(self) -> None:
        super().__init__()
        self._noticed: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is new."""
        notice = getattr(record, "notice", None)
        if notice is None:
            return True
        is_new = notice not in self._noticed
        self._noticed.add(notice)
        return is_new


def invocation() -> list[str]:
    """How to run this program here: by its name if the shell finds it, else by its path."""
    name, started = "bottlebank", Path(sys.argv[0])
    if started.name == name and started.exists():
        found = shutil.which(name)
        return [name] if found is not None and started.samefile(found) else [str(started)]
    if started.parent == Path(__file__).parent.parent:
        return [sys.executable, "-m", name]
    return [name]


def report_rejections(rejected: Collection[tuple[str, str]], strict: bool) -> int:
    """Print what was rejected, and why, on stderr; return the exit code."""
    for path, reason in itertools.islice(rejected, _REJECTIONS_SHOWN):
        say(f"rejected {path}: {reason}")
    if len(rejected) > _REJECTIONS_SHOWN:
        say(
            f"… and {len(rejected) - _REJECTIONS_SHOWN} more; `bottlebank extract --json` lists all"
        )
    return 1 if strict and rejected else 0


def tell_cross_validated(found: CrossValidated) -> None:
    """Print figures more reliable than those of a small test split, and why."""
    figures = found.evaluation
    tell(found.in_words())
    tell(
        f"  accuracy {with_interval(figures.accuracy, figures.intervals['accuracy'])}, "
        f"F1 {percent(figures.f1_macro)}, {found.about_heads()}"
    )
