"""Writing the page: its skeleton, style and scripts, with a security policy of its own."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_file import write_bytes, write_parts
from ...errors import UsageError
from .. import labels_csv
from .parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sprites import Sprites
    from .points import Points

MOST_IN_PAGE = 100_000
"""Images whose thumbnails are in the page itself; those of more are files beside it."""

_STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "dom",
    "decode",
    "view",
    "grid",
    "draw_canvas",
    "draw_webgl",
    "labels",
    "filters",
    "search",
    "thumbnails",
    "colours",
    "kept_labels",
    "address",
    "label_form",
    "maps",
    "map_views",
    "show_panel",
    "image_panel",
    "selection_panel",
    "panels",
    "stage",
    "pointer",
    "keyboard",
    "app",
    "main",
)
"""Names in ``static/``, in the order in which they are joined."""


def write_explorer(
    points: Points,
    output: Path,
    *,
    title: str,
    caption: str = "",
    sprites: Sprites | None = None,
) -> list[Path]:
    """Write points as a page that can be looked through, and nothing else is needed for.

    Above `MOST_IN_PAGE` images with thumbnails, their sheets are in a folder beside the page, which
    has its name.

    Returns
    -------
    list of Path
        The page, and the folder where there is one.

    Raises
    ------
    UsageError
        When that folder exists and holds anything else.
    """
    folder = None
    if sprites is not None and len(points) > MOST_IN_PAGE:
        folder = sheets_folder(output)
        require_sheets_folder(folder)
        _write_sheets(folder, sprites)
    about = {"title": title, "caption": caption}
    write_parts(output, _page(points, about, sprites, folder))
    return [output] if folder is None else [output, folder]


def sheets_folder(output: Path) -> Path:
    """Where the sheets of a page with very many images are."""
    return output.with_name(f"{output.stem}-thumbnails")


def require_sheets_folder(folder: Path) -> None:
    """Raise UsageError where a folder holds anything but sheets."""
    others = [path for path in folder.glob("*") if not re.fullmatch(r"\d+\.webp", path.name)]
    if others or (folder.exists() and not folder.is_dir()):
        what = others[0] if others else folder
        raise UsageError(
            f"the thumbnails of more than {MOST_IN_PAGE:,} images are written to {folder}, where "
            f"{what} is in the way: choose another --output"
        )


def _write_sheets(folder: Path, sprites: Sprites) -> None:
    folder.mkdir(exist_ok=True)
    for number, sheet in enumerate(sprites.sheets):
        write_bytes(folder / f"{number}.webp", sheet)
    for path in folder.glob("*.webp"):
        if int(path.stem) >= len(sprites.sheets):
            path.unlink()


def _page(
    points: Points, about: dict[str, str], sprites: Sprites | None, folder: Path | None
) -> Iterator[bytes]:
    script, style = _joined(), (_STATIC / "style.css").read_text(encoding="utf-8")
    images = "data: blob:" if folder is None else "data: blob: file: 'self'"
    policy = (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; "
        f"img-src {images}; base-uri 'none'; form-action 'none'"
    )
    skeleton = (_STATIC / "page.html").read_text(encoding="utf-8")
    given = {
        "policy": policy,
        "title": html.escape(about["title"]),
        "style": style,
        "script": script,
    }
    # In one pass: what is filled in may hold braces of its own.
    pieces = re.split(r"\{\{(\w+)\}\}", skeleton)
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            yield piece.encode()
        elif piece != "parts":
            yield given[piece].encode("utf-8", "backslashreplace")
        else:
            in_page = sprites if folder is None else None
            name = None if folder is None else folder.name
            for part, data in parts_of(points, about, sprites, name):
                yield from _part(f"part-{part}", data)
            for number, sheet in enumerate(in_page.sheets if in_page is not None else ()):
                yield from _part(f"sheet-{number}", sheet)


def _joined() -> str:
    """All scripts in a scope of their own."""
    sources = ((_STATIC / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return '"use strict";\n(() => {\n' + "\n".join([labels_csv.script(), *sources]) + "})();\n"


def _hashed(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _part(name: str, data: bytes) -> Iterator[bytes]:
    """Data that is no script: nothing in base64 ends the element."""
    yield f'<script type="text/plain" id="{name}">'.encode()
    yield base64.b64encode(data)
    yield b"</script>\n"
