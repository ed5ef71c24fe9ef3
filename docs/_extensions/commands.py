"""A page for each command, written from the command line itself before Sphinx reads the sources."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "commands"


def help_of(*words: str) -> str:
    """What ``bottlebank WORDS --help`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bottlebank", *words, "--help"],
        env={**os.environ, "COLUMNS": "88"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def commands_in(text: str) -> list[str]:
    """The names that a group's help lists."""
    listed = re.search(r"^ +(?:COMMAND|ACTION)\n((?: {4,}.*\n)+)", text, re.MULTILINE)
    return re.findall(r"^ {4}(\w+)", listed[1], re.MULTILINE) if listed else []


def pages(*words: str) -> dict[str, str]:
    """Markdown by page name: of a command, and of the commands in it."""
    text = help_of(*words)
    name = "-".join(words) or "index"
    title = " ".join(("bottlebank", *words))
    page = f"# {title}\n\n```text\n{text.rstrip()}\n```\n" if words else "# Commands\n"
    inner = commands_in(text)
    made = {}
    if inner:
        listed = "\n".join("-".join((*words, command)) for command in inner)
        page += f"\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
        for command in inner:
            made |= pages(*words, command)
    return {name: page, **made}


def write_pages(app: Sphinx) -> None:
    """Write the pages that have changed, and remove those of commands that are gone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    made = {folder / f"{name}.md": text for name, text in pages().items()}
    for stale in set(folder.iterdir()) - made.keys():
        stale.unlink()
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
