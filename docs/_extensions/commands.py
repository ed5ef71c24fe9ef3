"""A page for each command, from its own help, written before Sphinx looks for sources."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bottlebank.cli import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sphinx.application import Sphinx

FOLDER = "commands"


class MarkdownFormatter(click.HelpFormatter):
    """Writes what a command's help contains as Markdown, where click writes it for a terminal.

    Parameters
    ----------
    pages
        The page of each command that the help lists.
    """

    def __init__(self, pages: dict[str, str]) -> None:
        super().__init__()
        self.pages = pages

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line of usage."""
        self.write(f"```text\n{prog} {args}\n```\n\n")

    def write_heading(self, heading: str) -> None:
        """The heading of a section."""
        self.write(f"## {heading}\n\n")

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """A section."""
        self.write_heading(name)
        yield
        self.write("\n")

    def write_dl(self, rows: Sequence[tuple[str, str]], *_: Any, **__: Any) -> None:
        """Options, which can be linked to, or arguments or commands."""
        for name, text in rows:
            if name.startswith("-"):
                self.write(f":::{{option}} {name}\n{escaped(text)}\n:::\n\n")
            else:
                term = f"[`{name}`]({self.pages[name]}.md)" if name in self.pages else f"`{name}`"
                self.write(f"{term}\n: {escaped(text)}\n\n")

    def write_text(self, text: str) -> None:
        """A paragraph, or an example, which click is told by a backspace not to rewrap."""
        if text.startswith("\b\n"):
            heading, lines = re.fullmatch(r"\x08\n(\S.*\n)?((?:.*\n?)*)", text).groups("")
            self.write(f"{escaped(heading)}\n```bash\n{dedented(lines)}\n```\n\n")
        else:
            self.write(f"{escaped(text)}\n\n")


def escaped(text: str) -> str:
    """Plain text as Markdown; what is between backquotes stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*<\[\]~])", r"\\\1", part) for part in parts
    )


def dedented(lines: str) -> str:
    """Lines without the two spaces that help begins them with."""
    return re.sub(r"^  ", "", lines, flags=re.MULTILINE)


def pages(command: click.Command, context: click.Context) -> dict[str, str]:
    """Markdown by page name: of a command, and of the commands in it."""
    words = context.command_path.split()[1:]
    inner = command.list_commands(context) if isinstance(command, click.Group) else []
    page_of = {name: "-".join([*words, name]) for name in inner}
    formatter = MarkdownFormatter(page_of)
    command.format_help(context, formatter)
    title = context.command_path if words else "Commands"
    page = f"# {title}\n\n:::{{program}} {context.command_path}\n:::\n\n{formatter.getvalue()}"
    made = {}
    if isinstance(command, click.Group):
        listed = "\n".join(page_of.values())
        page += f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
        for name in inner:
            found = command.get_command(context, name)
            if found is not None:
                made |= pages(found, click.Context(found, parent=context, info_name=name))
    return {"-".join(words) or "index": page, **made}


def write_pages(app: Sphinx) -> None:
    """Write the pages that have changed, and remove those of commands that are gone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    context = click.Context(program, info_name="bottlebank", auto_envvar_prefix="BOTTLEBANK")
    made = {folder / f"{name}.md": text for name, text in pages(program, context).items()}
    for stale in set(folder.iterdir()) - made.keys():
        stale.unlink()
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to the moment before sources are looked for."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
