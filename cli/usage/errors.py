"""Wrong usage in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from .environment import variable_that_is_set
from .mistakes import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...errors import ParameterError

KEYWORDS = {"output_layer": "output", "epochs": "max_epochs"}
"""What options of a dense head are called as keywords of `train_head`, where that differs."""


def command_of(error: click.UsageError) -> str:
    """The command that was used wrongly, such as ``bottlebank cache import``."""
    return "bottlebank" if error.ctx is None else error.ctx.command_path


def in_words(error: click.UsageError) -> str:
    """What was wrong, what was expected, and where to read more."""
    return f"{_message(error)}; see `{command_of(error)} --help`"


def in_options(error: ParameterError, params: Iterable[click.Parameter]) -> str:
    """What is wrong with a parameter of Python, as the option that sets it is called here."""
    named = {param.name: _named(param) for param in params if isinstance(param, click.Option)}
    named |= {keyword: named[name] for name, keyword in KEYWORDS.items() if name in named}
    name = named.get(error.parameter, error.parameter)
    heads = getattr(error, "heads", ())
    remedy = f" (--head {heads[0]})" if heads else ""
    return f"{name}{str(error).removeprefix(error.parameter)}{remedy}"


def _message(error: click.UsageError) -> str:
    context = error.ctx
    if context is None:
        return error.message
    if isinstance(error, click.NoSuchOption):
        known = [name for param in context.command.params for name in param.opts]
        return f"unknown option {error.option_name}{did_you_mean(error.option_name, known)}"
    if isinstance(error, click.MissingParameter):
        return f"missing {', '.join(_named(param) for param in _missing(context))}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        origin, message = _origin(error.param, context), error.message
        if isinstance(error.param, click.Option) and error.param.is_flag:
            message = f"expected 1 or 0, received {os.environ.get(origin)!r}"
        return f"{origin}: {message}"
    if isinstance(error, click.BadOptionUsage):
        return f"{error.option_name}: {error.message}"
    return error.message


def _missing(context: click.Context) -> list[click.Parameter]:
    """All parameters that are missing: click names the first."""
    return [
        param
        for param in context.command.params
        if param.required
        and context.params.get(str(param.name)) is None
        and (not isinstance(param, click.Option) or variable_that_is_set(param, context) is None)
    ]


def _named(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else str(param.metavar)


def _origin(param: click.Parameter, context: click.Context) -> str:
    """Where a value comes from: an option, an argument or an environment variable."""
    source = context.get_parameter_source(str(param.name))
    if isinstance(param, click.Option) and source is ParameterSource.ENVIRONMENT:
        return variable_that_is_set(param, context) or _named(param)
    return _named(param)
