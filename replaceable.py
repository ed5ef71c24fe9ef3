"""What a file that is written may replace, and errors that name a file which cannot be."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from .atomic_file import make_folder
from .errors import BottlebankError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path


def require_replaceable(
    path: Path,
    words: str,
    recognises: Callable[[Path], bool],
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Refuse to write what would replace a file of another kind; where nothing is, all is well.

    Parameters
    ----------
    path
        Where something is to be written.
    words
        What may be replaced, such as "a head file".
    recognises
        Whether a file is such a one; OSError where it cannot be read. An empty file may be
        replaced, too.
    inputs
        What is read for it, never to be replaced.

    Raises
    ------
    UsageError
        When it is one of `inputs`, no regular file, or one of another kind.
    """
    if not os.path.lexists(path):
        return
    if any(_is_same(path, each) for each in inputs):
        raise UsageError(f"cannot write {path}: it is also the input; choose another name")
    if not path.is_file():
        raise UsageError(
            f"cannot write {path}: it exists and is not a regular file; choose another name"
        )
    try:
        may_replace = path.stat().st_size == 0 or recognises(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    if not may_replace:
        raise UsageError(
            f"{path} exists and is not {words}, so it is not overwritten; choose another name, or "
            f"delete it first"
        )


def _is_same(path: Path, other: str | os.PathLike[str]) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False


@contextlib.contextmanager
def writing(output: Path) -> Generator[None]:
    """Name what cannot be written, and why: the checks before do not see a full disk.

    Raises
    ------
    BottlebankError
        In the place of an OSError.
    """
    try:
        yield
    except BottlebankError:  # some are an OSError too, and say more
        raise
    except OSError as error:
        raise BottlebankError(f"{output} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def writing_file(output: Path) -> Generator[None]:
    """As `writing`, and the file's folder is made where there is none."""
    with writing(output):
        make_folder(output.parent)
        yield
