"""What pictures of a dataset have in common: their title, and how notebooks show them."""

from __future__ import annotations

import os
from pathlib import Path


def png_of(path: Path) -> bytes | None:
    """The bytes of a picture; None where it is no PNG file."""
    return path.read_bytes() if path.suffix.lower() == ".png" else None


def svg_of(path: Path) -> str | None:
    """The text of a picture; None where it is no SVG file."""
    return path.read_text(encoding="utf-8") if path.suffix.lower() == ".svg" else None


def name_of(data: object) -> str:
    """The name of the folder or file that data was read from; empty where it has none."""
    source = getattr(data, "source", data)
    return Path(source).name if isinstance(source, (str, os.PathLike)) else ""
