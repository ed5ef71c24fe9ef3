"""A folder for TensorBoard's Embedding Projector: `tensorboard --logdir FOLDER`.

It has the transfer values, the map, what is known of each image, and the images themselves on one
sprite sheet, which the projector draws in the place of points.
"""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING

import numpy as np

from ...atomic_file import write_bytes
from ...progress import Progress
from ..thumbnails import thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    from ...extraction import FeatureTable
    from .laid_out import LaidOut

CONFIG = "projector_config.pbtxt"
_METADATA, _MAP, _SPRITE = "metadata.tsv", "map.tsv", "sprite.png"
_SIGNED = b"# written by bottlebank"
_MOST_PX = 8192
"""A side of the sprite sheet; browsers and graphics cards refuse larger ones."""
_SIDES_PX = (8, 64)
"""Of one image: with less, nothing can be seen; more makes the sheet heavy and no clearer."""
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def write(laid_out: LaidOut, output: Path) -> None:
    """See `registry`."""
    table = laid_out.table
    shared = [f'metadata_path: "{_METADATA}"']
    side_px = _side_px(len(table))
    if side_px is not None:
        write_bytes(output / _SPRITE, _sprite(table, side_px, laid_out.progress))
        dims = f"single_image_dim: {side_px}"
        shared.append(f'sprite {{ image_path: "{_SPRITE}" {dims} {dims} }}')
    write_bytes(output / _METADATA, _metadata(laid_out))
    # The first is the one that is shown.
    values = _write_values(table.features, output)
    points = laid_out.embedding.points
    write_bytes(output / _MAP, _tsv(points))
    embeddings = [
        (_quoted(table.recipe.extractor), values, table.features.shape),
        (_quoted(laid_out.embedding.caption), _MAP, points.shape),
    ]
    parts = [
        "embeddings {\n  "
        + "\n  ".join(
            [
                f"tensor_name: {name}",
                f'tensor_path: "{file}"',
                *(f"tensor_shape: {length}" for length in shape),
                *shared,
            ]
        )
        + "\n}\n"
        for name, file, shape in embeddings
    ]
    write_bytes(output / CONFIG, _SIGNED + b"\n" + "".join(parts).encode())


def is_own(output: Path) -> bool:
    """See `registry`."""
    with (output / CONFIG).open("rb") as file:
        return file.read(len(_SIGNED)) == _SIGNED


def _write_values(features: np.ndarray, output: Path) -> str:
    """As numbers of 32 bits, which take a third of the room of text.

    TensorBoard takes for text what is UTF-8, though, as zeros are.
    """
    data = features.astype("<f4").tobytes()
    try:
        data.decode()
    except UnicodeDecodeError:
        name = "values.bytes"
    else:
        name, data = "values.tsv", _tsv(features)
    write_bytes(output / name, data)
    return name


def _tsv(rows: np.ndarray) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def _metadata(laid_out: LaidOut) -> bytes:
    """One line an image below a header; tabs and ends of lines in names are escaped."""
    words = laid_out.words
    columns = {name: words[name] for name in ("label", "path", "split", "key")}
    lines = ["\t".join(columns)]
    lines += ["\t".join(map(_on_one_line, row)) for row in zip(*columns.values(), strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _on_one_line(name: str) -> str:
    """A name that neither a split at tabs nor one at any end of a line tears apart."""
    plain = "".join(_ESCAPES.get(character, character) for character in name)
    return re.sub("[\v\f\x1c-\x1e\x85\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", plain)


def _quoted(name: str) -> str:
    """A string in the text format of protocol buffers: bytes that are not ASCII are octal."""
    return '"{}"'.format(
        "".join(
            chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}"
            for byte in name.encode(errors="backslashreplace")
        )
    )


def _columns(n_images: int) -> int:
    """Of a sheet with about as many lines."""
    return math.isqrt(n_images - 1) + 1


def _side_px(n_images: int) -> int | None:
    """Of the square of one image; None where these would be too small to see."""
    least, most = _SIDES_PX
    side = min(most, _MOST_PX // _columns(n_images))
    return side if side >= least else None


def _sprite(table: FeatureTable, side_px: int, progress: bool | None) -> bytes:
    """All images on one sheet, from left to right and from top to bottom; on white."""
    from PIL import Image

    n_images = len(table)
    columns = _columns(n_images)
    lines = -(-n_images // columns)
    sheet = Image.new("RGB", (columns * side_px, lines * side_px), "white")
    with Progress("Sprite sheet", n_images, unit="images", show=progress) as bar:
        for row in range(n_images):
            pixels = thumbnail(table, row, side_px)
            if pixels is not None:
                picture = Image.fromarray(pixels)
                line, column = divmod(row, columns)
                left = column * side_px + (side_px - picture.width) // 2
                sheet.paste(picture, (left, line * side_px + (side_px - picture.height) // 2))
            bar.update(1)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
