"""Paths as a page shows them: relative to the dataset, where they lead into it."""

from __future__ import annotations

from pathlib import Path


def within(source: str, path: str) -> str:
    """A path from the root of `source` on, where it leads into it; not escaped in any way."""
    root = Path(source) if Path(source).is_dir() else Path(source).parent
    inside = Path(path).is_relative_to(root)
    return str(Path(path).relative_to(root)) if inside else path
