"""The folder into which a run writes: an extractor, its head, and until then a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...arguments import require_path
from ...atomic_file import make_folder, write_bytes
from ...classifier.head_file import load_head, may_be_replaced
from ...errors import BottlebankError, HeadFileError, UsageError
from ...features.backbones.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIXES = (".weights.h5", ".npz")


class OutputFolder:
    """The folder, looked at before any work.

    Parameters
    ----------
    folder
        Is made where it is missing.
    inputs
        Files that are read.

    Raises
    ------
    UsageError
        When it cannot be written, or what would be replaced in it is not the result of an earlier
        run.
    """

    def __init__(
        self, folder: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str] | None]
    ) -> None:
        self.path = require_path(folder, "the path of a folder for what is written")
        self.head, self.checkpoint = self.path / "head.h5", self.path / "checkpoint.npz"
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
        self._require_replaceable([file for file in weights if os.path.lexists(file)])

    def weights(self, suffix: str) -> Path:
        """Where the weights of the extractor are written."""
        return self.path / f"extractor{suffix}"

    def write(self, path: Path, data: bytes) -> None:
        """Write a file of it, whole or not at all."""
        try:
            write_bytes(path, data)
        except OSError as error:
            raise BottlebankError(
                f"{path} cannot be written: {error.strerror or error}; run the same command again "
                f"once there is room: training is not repeated"
            ) from error

    def _require_replaceable(self, weights: list[Path]) -> None:
        if os.path.lexists(self.head) and not may_be_replaced(self.head):
            raise UsageError(
                f"{self.head} exists and is not a head file, so it is not overwritten: name "
                f"another folder"
            )
        try:
            of_head = load_head(self.head).recipe.get("weights_sha256")
        except HeadFileError:
            of_head = None
        for file in weights:
            if not file.is_file() or file_sha256(file) != of_head:
                raise UsageError(
                    f"{file} exists and is not the extractor of a head beside it, so it is not "
                    f"overwritten: name another folder, or delete it first"
                )
