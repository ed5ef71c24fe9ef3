"""A page for each command, written from the command line itself before Sphinx reads the sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bottlebank.cli import program

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "commands"
WIDTH = 86
TOP = click.Context(
    program, info_name="bottlebank", terminal_width=WIDTH, auto_envvar_prefix="BOTTLEBANK"
)


def pages(context: click.Context = TOP) -> dict[str, str]:
    """Markdown by page name: of a command, and of the commands in it."""
    command = context.command
    words = context.command_path.split()[1:]
    name = "-".join(words) or "index"
    help_text = f"# {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    page = help_text if words else "# Commands\n"
    made = {}
    if isinstance(command, click.Group):
        inner = command.list_commands(context)
        listed = "\n".join("-".join((*words, each)) for each in inner)
        page += f"\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
        for each in inner:
            found = command.get_command(context, each)
            assert found is not None
            made |= pages(click.Context(found, context, each, terminal_width=WIDTH))
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
