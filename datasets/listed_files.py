"""The files that a list or CSV file means: paths of other systems, ids without an extension."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import require_path
from ..errors import DatasetError
from ..untrusted.tar_members import status_of
from .folders import is_image_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FOLDERS_LOOKED_IN = 1000
_ROWS_LOOKED_FOR = 100


class ListedFiles:
    """Finds the files of a CSV file's rows.

    Parameters
    ----------
    file
        The CSV file; paths are relative to its folder.
    image_root
        What paths are relative to instead.
    encoding
        Of the CSV file: names on the disk may be in it too.
    """

    def __init__(
        self, file: Path, image_root: str | os.PathLike[str] | None, encoding: str
    ) -> None:
        self.notes: list[str] = []
        self._file, self._encoding = file, encoding
        self._is_said = image_root is not None
        self._root = os.fspath(file.parent)
        if image_root is not None:
            self._root = os.fspath(require_path(image_root, "image_root as the path of a folder"))
        if self._is_said and not os.path.isdir(self._root):  # noqa: PTH112
            raise DatasetError(f"no such folder: {self._root}, named by --image-root")
        self._stems: dict[str, dict[str, list[str]]] = {}
        self._first: tuple[str, int] | None = None
        self._has_found = False

    def look_for_root(self, paths: Sequence[str]) -> None:
        """Where none of the first paths leads to a file, find the folder that has them."""
        some = [path for path in paths[:_ROWS_LOOKED_FOR] if path]
        if self._is_said or not some or any(self.look(path) for path in some):
            return
        having = [
            folder
            for folder in itertools.islice(_folders_in(self._root), _FOLDERS_LOOKED_IN)
            if any(self.look(path, folder) for path in some)
        ]
        if len(having) > 1:
            raise DatasetError(
                f"{self._file}: {having[0]} and {having[1]} both hold files of its first rows: use "
                f"--image-root"
            )
        if having:
            self._root = having[0]
            self.notes.append(f"{self._file}: paths are taken as relative to {self._root}")

    def find(self, path: str, line: int) -> str:
        """The file that a path means; the path itself, made absolute, where there is none.

        Raises
        ------
        DatasetError
            When it is an address on the internet, a path of Windows, or means several files.
        """
        found = self.look(path)
        if found is not None:
            self._has_found = True
            return found
        where = f"{self._file}, line {line}"
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
            raise DatasetError(
                f"{where}: {path[:200]!r} is an address: download the images and list their paths"
            )
        if re.match(r"[A-Za-z]:[\\/]|\\\\", path):
            raise DatasetError(
                f"{where}: {path[:200]!r} is an absolute path of another system: make paths "
                f"relative to the file, or to --image-root"
            )
        several = self._with_extension(os.path.join(self._root, path))  # noqa: PTH118
        if len(several) > 1:
            raise DatasetError(
                f"{where}: {path[:200]!r} may be {several[0]} or {several[1]}: write the extension"
            )
        if self._first is None:
            self._first = (path, line)
        return os.path.join(self._root, path)  # noqa: PTH118

    def require_some(self) -> None:
        """Raise DatasetError when no row has led to a file."""
        if self._has_found or self._first is None:
            return
        path, line = self._first
        raise DatasetError(
            f"{self._file}: none of its paths leads to a file; the first, {path[:200]!r} in line "
            f'{line}, was not found in "{self._root}"; use --image-root'
        )

    def look(self, path: str, root: str | None = None) -> str | None:
        """The file that a path means, relative to a folder; None where there is none."""
        for candidate in self._candidates(path):
            full = os.path.join(self._root if root is None else root, candidate)  # noqa: PTH118
            if _is_there(full):
                return full
            if not is_image_name(full):
                found = self._with_extension(full)
                if len(found) == 1:
                    return found[0]
        return None

    def _candidates(self, path: str) -> Iterator[str]:
        yield path
        if "\\" in path:
            path = path.replace("\\", "/")
            yield path
        if not path.isascii():
            yield unicodedata.normalize("NFC", path)
            yield unicodedata.normalize("NFD", path)
            try:
                yield os.fsdecode(path.encode(self._encoding))
            except UnicodeError:
                return

    def _with_extension(self, path: str) -> list[str]:
        """Images whose name is that of a path and an extension."""
        folder, name = os.path.split(path)
        if folder not in self._stems:
            stems: dict[str, list[str]] = defaultdict(list)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if is_image_name(entry.name):
                            stems[os.path.splitext(entry.name)[0]].append(entry.path)  # noqa: PTH122
            except (OSError, ValueError):
                pass
            self._stems[folder] = {stem: sorted(paths) for stem, paths in stems.items()}
        return self._stems[folder].get(name, [])


def _is_there(path: str) -> bool:
    try:
        status_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.islink(path)  # noqa: PTH114 (reading it will tell that it leads nowhere)
    except (OSError, ValueError):
        return True  # reading it will tell the reason
    return True


def _folders_in(root: str, depth: int = 2) -> Iterator[str]:
    try:
        with os.scandir(root) as listing:
            found = sorted(
                entry.path
                for entry in listing
                if not entry.name.startswith((".", "__")) and entry.is_dir()
            )
    except OSError:
        return
    for folder in found:
        yield folder
        if depth > 1:
            yield from _folders_in(folder, depth - 1)
