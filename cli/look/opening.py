"""The network of a command `bottlebank look`, by --head or by --extractor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ...errors import UsageError

if TYPE_CHECKING:
    from ...interpret.network import DifferentiableNetwork

NAMED = "`bottlebank extractors NAME` lists those of Keras' networks, docs/look.md the others"
"""Where the names of layers are to be found."""
_SETTINGS = ("extractor", "weights", "fit", "grey16", "size", "layer", "scaling", "pooling")


def open_network(
    head: str | None, given: dict[str, Any], *, engine: str = "auto"
) -> DifferentiableNetwork:
    """The network of a head with that head behind it, or that of an extractor alone.

    `given` is what the options of an extraction gave, checked by `require_head_decides`.
    """
    from ...interpret.opening import open_for_extractor, open_for_head

    cache = given["cache"]
    settings = {name: given[name] for name in _SETTINGS if given.get(name) is not None}
    if head is None:
        name = settings.pop("extractor")
        try:
            return open_for_extractor(name, cache=cache, engine=engine, **settings)
        except UsageError as error:
            raise _with_options_that_are_here(error, given) from error
    source = click.get_current_context().get_parameter_source("weights")
    if source in (None, ParameterSource.DEFAULT):  # ImageNet's by default: the head knows its own
        settings.pop("weights", None)
    return open_for_head(head, cache=cache, engine=engine, **settings)


def _with_options_that_are_here(error: UsageError, given: dict[str, Any]) -> UsageError:
    """An error about a network, with what to do where it names an option of other commands."""
    context = click.get_current_context()
    known = {name for each in context.command.params for name in each.opts}
    if "layer" not in given:  # where units of a layer are chosen, it is no setting of the network
        known.discard("--layer")
    other = [name for name in re.findall(r"--[a-z][a-z-]*", str(error)) if name not in known]
    if not other:
        return error
    return UsageError(
        f"{error}. {context.command_path} has no {other[0]}: train a head with it and give --head"
    )
