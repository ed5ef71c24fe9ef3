"""Commands and groups of commands on click: how they are declared, what their help shows."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..errors import ParameterError, UsageError
from .output import print_help, say
from .usage.environment import (
    SHARED,
    notes_on_unread,
    shared_variable,
    variable_that_is_set,
    variables_of,
)
from .usage.errors import in_options
from .usage.mistakes import did_you_mean, options_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_WIDEST_COLUMNS = 100
_NARROWEST_COLUMNS = 40
_OPTIONS = "Options"


class Option(click.Option):
    """An option.

    Parameters
    ----------
    section
        The heading under which help lists it.
    default_in_words
        What help gives as its default; otherwise the default itself, if there is one.
    shared
        Whether one environment variable sets it for every command (by default, those of `SHARED`).
    part_of
        The keyword by which the command receives the option, as an entry of a dictionary.
    only_typed
        Whether no environment variable sets it, such as what confirms a deletion.
    takes
        Of an option that may stand alone, and then has its `flag_value`: whether the text behind it
        is its value.
    does_empty_count
        Whether an empty environment variable is a value, which the type refuses, rather than none.
        For what protects: a script whose own variable is not set must not open a server.
    """

    def __init__(
        self,
        *declarations: Any,
        help: str = "",
        section: str = _OPTIONS,
        default_in_words: str = "",
        shared: bool | None = None,
        part_of: str = "",
        only_typed: bool = False,
        does_empty_count: bool = False,
        takes: Callable[[str], bool] | None = None,
        **settings: Any,
    ) -> None:
        default = default_in_words or settings.get("default")
        note = "required" if settings.get("required") else f"default: {default}" if default else ""
        self._help = help
        self.help_in_words = f"{help} ({note})" if note else help
        self.section = section
        self.part_of = part_of
        self.does_empty_count = does_empty_count
        self.takes = takes
        super().__init__(*declarations, help=help, **settings)
        if self.name in SHARED if shared is None else shared:
            self.envvar = shared_variable(str(self.name))
            self.allow_from_autoenv = False
        if only_typed:
            self.allow_from_autoenv = False

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of its environment variable; None where that is not set."""
        name = variable_that_is_set(self, ctx)
        return None if name is None else os.environ[name]

    def say_default(self, words: str) -> None:
        """Let help name another default: that of the command that has it."""
        self.help_in_words = f"{self._help} (default: {words})"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Its names, and what it does."""
        names = ", ".join([*sorted(self.opts, key=len), *self.secondary_opts])
        return (names if self.is_flag else f"{names} {self.make_metavar(ctx)}"), self.help_in_words

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What the line of usage has of it: an option that is required."""
        return [f"{max(self.opts, key=len)} {self.make_metavar(ctx)}"] if self.required else []


class Argument(click.Argument):
    """An argument."""

    def __init__(self, *declarations: Any, help: str, **settings: Any) -> None:
        self.help_in_words = help
        super().__init__(*declarations, **settings)

    def make_metavar(self, ctx: click.Context) -> str:
        """Its name, with dots behind it where many are taken."""
        name = super().make_metavar(ctx)
        return f"{name}..." if self.nargs == -1 else name

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Its name, in brackets where it can be left out."""
        name = self.make_metavar(ctx)
        return [name if self.required else f"[{name}]"]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Its name, and what it is."""
        return self.make_metavar(ctx), self.help_in_words


class _Helpful(click.Command):
    """What commands and groups have in common: --help, and its layout."""

    def __init__(self, *arguments: Any, epilogue: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, add_help_option=False, **settings)
        self.epilogue = epilogue
        self.params.append(
            Option(
                ["-h", "--help"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                only_typed=True,
                callback=_print_help,
                help="show this help and exit",
            )
        )

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """A context that is as wide as the terminal, within bounds."""
        columns = min(shutil.get_terminal_size().columns, _WIDEST_COLUMNS)
        settings.setdefault("terminal_width", max(columns, _NARROWEST_COLUMNS) - 2)
        return super().make_context(*arguments, **settings)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, summary, arguments, options by section, and the sections at the end."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        sections = {"Arguments": [], **self.commands_shown(ctx), _OPTIONS: []}
        for param in self.params:
            heading = param.section if isinstance(param, Option) else "Arguments"
            record = param.get_help_record(ctx)
            sections.setdefault(heading, []).extend([record] if record else [])
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=min(30, formatter.width // 3))
        for text in self.texts_at_the_end(ctx):
            formatter.write_paragraph()
            formatter.write_text(text)

    def commands_shown(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        """The section of a group's commands."""
        return {}

    def texts_at_the_end(self, ctx: click.Context) -> Iterable[str]:
        """Paragraphs after the sections."""
        return self.epilogue


class Command(_Helpful):
    """A command.

    Parameters
    ----------
    example
        A line, or several, with which its help ends.
    """

    def __init__(self, *arguments: Any, example: str, **settings: Any) -> None:
        super().__init__(*arguments, context_settings={"allow_extra_args": True}, **settings)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; those that are too many are refused with what is expected."""
        options = [param for param in self.params if isinstance(param, Option)]
        if not ctx.resilient_parsing:
            args = options_first(args, ctx)
            for note in notes_on_unread([each for each in options if each.expose_value], ctx):
                say(f"note: {note}")
        more = super().parse_args(ctx, args)
        if more and not ctx.resilient_parsing:
            taken = [f"one {param.metavar}" for param in self.params if param not in options]
            what = "argument" if len(more) == 1 else "arguments"
            raise click.UsageError(
                f"unexpected {what} {' '.join(more)}; expected "
                f"{' and '.join(taken) or 'options only'}",
                ctx,
            )
        return more

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; options that go on together are given to it as one dictionary."""
        for param in self.params:
            if isinstance(param, Option) and param.part_of:
                value = ctx.params.pop(param.name)
                ctx.params.setdefault(param.part_of, {})[param.name] = value
        try:
            return super().invoke(ctx)
        except ParameterError as error:
            raise UsageError(in_options(error, self.params)) from error

    def texts_at_the_end(self, ctx: click.Context) -> Iterable[str]:
        """Environment variables and the example."""
        yield f"Environment variables: {self._variables(ctx)}."
        lines = "\n".join(f"  {line}" for line in self.example.splitlines())
        yield f"\b\nExample:\n{lines}"

    def _variables(self, ctx: click.Context) -> str:
        options = [param for param in self.params if isinstance(param, Option)]
        shared = [option for option in options if option.envvar is not None]
        own = [option for option in options if option.allow_from_autoenv]
        only_typed = [
            option
            for option in options
            if option.expose_value and not option.allow_from_autoenv and option not in shared
        ]
        ways = [", ".join(name for option in shared for name in variables_of(option, ctx))]
        if own:
            [example] = variables_of(own[0], ctx)[-1:]
            ways.append(f"{ctx.auto_envvar_prefix}_<OPTION> for others, such as {example}")
        if only_typed:
            names = " and ".join(max(option.opts, key=len) for option in only_typed)
            ways.append(f"none for {names}")
        return "; ".join(filter(None, ways))


class Group(_Helpful, click.Group):
    """Commands, each in a module of its own that is imported when it is run.

    Parameters
    ----------
    summaries
        The summary of each command, which its help begins with. The command ``cache info`` is
        `run` in the module `info` of the room `cache`.
    groups
        Those of the commands that are groups themselves.
    """

    def __init__(
        self,
        name: str,
        *,
        summaries: Mapping[str, str],
        groups: Iterable[Group] = (),
        module_prefix: str = "",
        **settings: Any,
    ) -> None:
        super().__init__(name, **settings)
        self._summaries = summaries
        self._module_prefix = module_prefix
        for group in groups:
            self.add_command(group)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they are used."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in self.commands and cmd_name in self._summaries:
            module = import_module(f".{self._module_prefix}{cmd_name}", __package__)
            module.run.help = self._summaries[cmd_name]
            self.add_command(module.run, cmd_name)
        return self.commands.get(cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; of a group of which nothing but its name is typed, show the help."""
        if args in ([], ["--"]) and not ctx.resilient_parsing:
            print_help(f"{ctx.get_help()}\n", sys.stderr)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named, or what may have been meant."""
        known = self.list_commands(ctx)
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise click.UsageError(
                f"unknown command {args[0]!r}; expected one of {', '.join(known)}"
                f"{did_you_mean(args[0], known)}",
                ctx,
            )
        return super().resolve_command(ctx, args)

    def commands_shown(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        """Names and summaries, without importing any command."""
        return {"Commands": list(self._summaries.items())}


def command(*, example: str) -> Callable[[Callable[..., int]], Command]:
    """Make a command of a function that returns its exit code."""
    return click.command(cls=Command, example=example)


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Add an `Option`."""
    return click.option(*names, cls=Option, **settings)


def argument(name: str, **settings: Any) -> Callable[[Any], Any]:
    """Add an `Argument`."""
    return click.argument(name, cls=Argument, **settings)


def _print_help(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        print_help(f"{ctx.get_help()}\n", sys.stdout)
        ctx.exit()
