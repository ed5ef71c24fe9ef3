"""The network of a command `bottlebank look`, by --head or by --extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from ...interpret.network import DifferentiableNetwork

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
        return open_for_extractor(settings.pop("extractor"), cache=cache, engine=engine, **settings)
    source = click.get_current_context().get_parameter_source("weights")
    if source in (None, ParameterSource.DEFAULT):  # ImageNet's by default: the head knows its own
        settings.pop("weights", None)
    return open_for_head(head, cache=cache, engine=engine, **settings)
