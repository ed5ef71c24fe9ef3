"""Coordinates as a CSV file, in UTF-8; names as in labels files, which it can be read as."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from ...atomic_file import write_bytes
from ...datasets.guarded_names import guarded

if TYPE_CHECKING:
    from pathlib import Path

    from .laid_out import LaidOut

_BEGINS = b"key,path,label,split,x,y"


def write(laid_out: LaidOut, output: Path) -> None:
    """See `registry`."""
    text = io.StringIO()
    writer = csv.writer(text)  # ends lines with CR LF, and so quotes names that hold either
    words = laid_out.words
    writer.writerow([*words, *laid_out.axes])
    for *names, point in zip(*words.values(), laid_out.embedding.points, strict=True):
        writer.writerow([*map(guarded, names), *map(str, point)])
    write_bytes(output, text.getvalue().encode())


def is_own(output: Path) -> bool:
    """See `registry`."""
    with output.open("rb") as file:
        return file.read(len(_BEGINS)) == _BEGINS
