"""A folder that FiftyOne imports, as a FiftyOneImageClassificationDataset.

``data.json`` is its manifest of images, ``labels.json`` has their classes, as indices of a list.
With each class, as its attributes, stand the key, the split and the coordinates of the image; an
image without a class has null, since FiftyOne has attributes of labels alone.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from ...atomic_file import write_bytes
from ...formatting import counted

if TYPE_CHECKING:
    from pathlib import Path

    from .laid_out import LaidOut

_MANIFEST, _LABELS = "data.json", "labels.json"
_BEGINS = b'{"made_by": "bottlebank"'

logger = logging.getLogger(__name__)


def write(laid_out: LaidOut, output: Path) -> None:
    """See `registry`; images that FiftyOne cannot find are left out, with a warning.

    It keeps text as UTF-8, and takes a backslash for a slash.
    """
    table = laid_out.table
    classes = sorted(filter(_is_utf_8, {*table.labels.tolist()} - {""}))
    index = {name: at for at, name in enumerate(classes)}
    words, points = laid_out.words, laid_out.embedding.points.tolist()
    manifest, labels, n_left_out = {}, {}, 0
    for row, (path, label, point) in enumerate(
        zip(table.paths, table.labels.tolist(), points, strict=True)
    ):
        if not _is_utf_8(path) or not _is_utf_8(label) or "\\" in path:
            n_left_out += 1
            continue
        about: dict[str, str | float] = {"key": words["key"][row]}
        about |= {"split": words["split"][row]} if words["split"][row] else {}
        about |= dict(zip(laid_out.axes, point, strict=True))
        manifest[f"{row:09d}"] = os.path.abspath(path)  # noqa: PTH100 (links stay as they are)
        labels[f"{row:09d}"] = {"label": index[label], "attributes": about} if label else None
    if n_left_out:
        logger.warning(
            "warning: %s left out: FiftyOne cannot keep names that are not UTF-8, or backslashes",
            counted(n_left_out, "image"),
        )
    content = {"made_by": "bottlebank", "classes": classes, "labels": labels}
    write_bytes(output / _MANIFEST, json.dumps(manifest, ensure_ascii=False).encode())
    write_bytes(output / _LABELS, json.dumps(content, ensure_ascii=False).encode())


def is_own(output: Path) -> bool:
    """See `registry`."""
    with (output / _LABELS).open("rb") as file:
        return file.read(len(_BEGINS)) == _BEGINS


def _is_utf_8(name: str) -> bool:
    return name.isascii() or name == name.encode(errors="replace").decode()
