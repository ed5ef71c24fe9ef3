"""The folder into which a run writes: an extractor, its head, and until then a checkpoint.

The pair is made in a folder inside, and takes the place of an earlier one when both are whole: the
head first, whose extractor the cache knows where it was made, then the extractor. A run that is
killed in between leaves a head and its extractor; the next one completes the move.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...arguments import require_path
from ...atomic_file import TEMPORARY_PREFIX, make_folder, remove_whole, sync, write_bytes
from ...classifier.head_file import load_head, may_be_replaced
from ...errors import BottlebankError, HeadFileError, UsageError
from ...features.backbones.weights import file_sha256
from .folder_lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIXES = (".weights.h5", ".npz")
UNFINISHED = f"{TEMPORARY_PREFIX}unfinished"


class OutputFolder:
    """The folder, looked at before any work; a context manager, so that no other run writes there.

    Parameters
    ----------
    folder
        Is made where it is missing.
    inputs
        Files that are read.

    Raises
    ------
    UsageError
        When it cannot be written, another run writes there, or what would be replaced in it is not
        the result of an earlier run.
    """

    def __init__(
        self, folder: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str] | None]
    ) -> None:
        self.path = require_path(folder, "the path of a folder for what is written")
        self.head, self.checkpoint = self.path / "head.h5", self.path / "checkpoint.npz"
        self._unfinished = self.path / UNFINISHED
        try:
            make_folder(self.path)
        except OSError as error:
            raise UsageError(
                f"the folder {self.path} cannot be made: {error.strerror or error}"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UsageError(f"the folder {self.path} cannot be written: permission denied")
        weights = [self.weights(suffix) for suffix in SUFFIXES]
        for given in [Path(each) for each in inputs if each is not None]:
            for mine in (self.head, *weights):
                if mine.exists() and given.exists() and mine.samefile(given):
                    raise UsageError(f"{mine} is also the input: name another folder")
        self._lock = FolderLock(self.path)
        try:
            self._require_replaceable([file for file in weights if os.path.lexists(file)])
            self._complete()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def weights(self, suffix: str) -> Path:
        """Where the weights of the extractor are in the end."""
        return self.path / f"extractor{suffix}"

    @property
    def new_head(self) -> Path:
        """Where the head is made."""
        return self._unfinished / self.head.name

    def new_weights(self, suffix: str) -> Path:
        """Where the weights of the extractor are made."""
        return self._unfinished / f"extractor{suffix}"

    def write_weights(self, suffix: str, data: bytes) -> Path:
        """Begin a pair with its extractor; nothing else is left of one that was begun before."""
        path = self.new_weights(suffix)
        try:
            remove_whole(self._unfinished)
            make_folder(self._unfinished)
            write_bytes(path, data)
        except OSError as error:
            raise self._cannot(path, error) from error
        return path

    def publish(self) -> None:
        """Put the pair, which is whole, in the place of an earlier one.

        Raises
        ------
        BottlebankError
            When the system refuses it; the next run does it then.
        """
        [new] = [suffix for suffix in SUFFIXES if self.new_weights(suffix).exists()]
        try:
            if self.new_head.exists():
                _move(self.new_head, self.head)
            for suffix in SUFFIXES:
                if suffix != new:
                    self.weights(suffix).unlink(missing_ok=True)
            _move(self.new_weights(new), self.weights(new))
        except OSError as error:
            raise self._cannot(self.weights(new), error) from error
        with suppress(OSError):  # an empty folder
            remove_whole(self._unfinished)

    def _cannot(self, path: Path, error: OSError) -> BottlebankError:
        return BottlebankError(
            f"{path} cannot be written: {error.strerror or error}; run the same command again once "
            f"that is mended: training is not repeated"
        )

    def _complete(self) -> None:
        """Publish a pair that is whole, or whose head is published already."""
        made = [suffix for suffix in SUFFIXES if self.new_weights(suffix).is_file()]
        head = self.new_head if self.new_head.exists() else self.head
        if len(made) == 1 and file_sha256(self.new_weights(made[0])) == _weights_of(head):
            self.publish()

    def _require_replaceable(self, weights: list[Path]) -> None:
        if os.path.lexists(self.head) and not may_be_replaced(self.head):
            raise UsageError(
                f"{self.head} exists and is not a head file, so it is not overwritten: name "
                f"another folder"
            )
        of_head = _weights_of(self.head)
        made = [self.new_weights(suffix) for suffix in SUFFIXES]
        if any(file.is_file() and file_sha256(file) == of_head for file in made):
            return  # a run was killed while it published: it had looked at what is there
        for file in weights:
            if not file.is_file() or file_sha256(file) != of_head:
                raise UsageError(
                    f"{file} exists and is not the extractor of a head beside it, so it is not "
                    f"overwritten: name another folder, or delete it first"
                )


def _weights_of(head: Path) -> str | None:
    """The SHA-256 of the extractor's weights; None where there is no head."""
    try:
        return load_head(head).recipe.get("weights_sha256")
    except HeadFileError:
        return None


def _move(source: Path, target: Path) -> None:
    source.replace(target)
    sync(target.parent)
