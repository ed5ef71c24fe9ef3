"""Folders of Parquet files that hold images, with splits in their names, as on the Hub."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError
from ..extras import how_to_install
from ..formatting import counted
from ..untrusted.parquet_members import PyarrowMissingError, columns_of, ends_as_parquet
from .folders import is_archive, is_image_name, kind_of
from .listed import Listed, read_listed
from .split_names import split_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SHARD = re.compile(r"-\d+-of-\d+$")
_DEEPEST = 100


@dataclass
class ParquetFolder:
    """A folder of Parquet files that hold images."""

    path: Path
    files: list[Path] = field(default_factory=list)
    """Those that hold images, in the order of their paths."""
    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def split_of(self, file: Path) -> str | None:
        """The split that a file's name declares, or the folder that it is in."""
        names = file.relative_to(self.path).with_suffix("").parts
        for name in reversed(names):
            whole = _SHARD.sub("", name)
            words = re.findall(r"[^\W\d_]+", whole)
            split = split_of(whole) or (split_of(words[-1]) if words else None)
            if split is not None:
                return split
        return None

    def read(self, options: Mapping[str, Any]) -> Listed:
        """What all files hold; parameters and errors are those of `read_listed`."""
        whole = Listed()
        notes: list[tuple[str, str]] = []
        for file in self.files:
            found = read_listed(file, **options)
            declared = self.split_of(file)
            whole.paths += found.paths
            whole.labels += found.labels
            whole.splits += [split or declared for split in found.splits]
            whole.groups += found.groups
            whole.weights += found.weights
            notes += [(str(file), note) for note in found.notes]
        whole.notes = in_one(notes)
        return whole


def is_parquet_folder(path: Path, exclude: Sequence[str] = ()) -> bool:
    """Whether the images in a folder, at any depth, are in Parquet files alone.

    Raises
    ------
    DatasetError
        When there are Parquet files alone, and pyarrow is not installed.
    """
    names = _walked(path, exclude)
    return names is not None and any(_state_of(name) for name in names if ends_as_parquet(name))


def parquet_folder(path: Path, exclude: Sequence[str] = ()) -> ParquetFolder:
    """The Parquet files in such a folder."""
    found = ParquetFolder(path)
    for name in _walked(path, exclude) or ():
        if not ends_as_parquet(name):
            found.passed_over[kind_of(os.path.basename(name))] += 1  # noqa: PTH119
            continue
        state = _state_of(name)
        if isinstance(state, str):
            found.unreadable.append((name, state))
        elif state:
            found.files.append(Path(name))
        else:
            found.passed_over["Parquet file without images"] += 1
    return found


def _state_of(file: str) -> bool | str:
    """Whether a Parquet file holds images, or why it cannot be read."""
    try:
        return bool(columns_of(file))
    except PyarrowMissingError:
        raise DatasetError(f"{file}: to read Parquet files, {how_to_install('parquet')}") from None
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _walked(path: Path, exclude: Sequence[str]) -> list[str] | None:
    """The files in a folder, sorted; None where an image or an archive is among them."""
    found: list[str] = []
    below = [(str(path), 0)]
    try:
        while below:
            folder, depth = below.pop()
            with os.scandir(folder) as listing:
                for entry in listing:
                    name = entry.name
                    if name.startswith(".") or any(fnmatch(name, each) for each in exclude):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if depth < _DEEPEST:
                            below.append((entry.path, depth + 1))
                    elif is_image_name(name) or is_archive(entry.path) or entry.is_dir():
                        return None
                    else:
                        found.append(entry.path)
    except OSError:
        return None  # reading it as a folder of images gives the reason
    return sorted(found)


def in_one(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Notes of files, each once: with the first file that it is of, and how many others."""
    first: dict[str, str] = {}
    others: Counter[str] = Counter()
    for file, note in notes:
        text = note.removeprefix(f"{file}: ")
        if first.setdefault(text, file) != file:
            others[text] += 1
    return [*_counted(first, others)]


def _counted(first: Mapping[str, str], others: Mapping[str, int]) -> Iterator[str]:
    for text, file in first.items():
        more = f" and {counted(others[text], 'other file')}" if others[text] else ""
        yield f"{file}{more}: {text}"
