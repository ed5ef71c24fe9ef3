"""--views and --view-rule, of the commands that train on views or average over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ...formatting import counted
from ..command import option
from . import choices
from .types import Choice, WholeNumber

if TYPE_CHECKING:
    from ...extraction import FeatureTable


def _require_views(context: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse a rule that is typed without a number of views, which would change nothing."""
    given = {**context.params, param.name: value}
    is_typed = context.get_parameter_source("view_rule") is ParameterSource.COMMANDLINE
    if is_typed and given.get("views", 1) == 0:
        raise click.BadOptionUsage("--view-rule", "expected --views N beside it", context)
    return value


def views(text: str, *, part_of: str = "extraction", alone: bool = False, **settings: Any) -> Any:
    """Both options.

    Parameters
    ----------
    text
        What the views are for.
    part_of
        The keyword by which the command receives both.
    alone
        Whether a rule can stand alone, since the views may be those of a recipe.
    settings
        Of the rule.
    """
    callback = None if alone else _require_views

    def add(function: Any) -> Any:
        rule = option(
            "--view-rule",
            type=Choice(choices.VIEW_RULES),
            part_of=part_of,
            callback=callback,
            **{"default": choices.VIEW_RULES[0], **settings},
            help=choices.VIEW_RULES_IN_WORDS,
        )
        number = option(
            "--views",
            type=WholeNumber(0, choices.MOST_VIEWS),
            default=0,
            metavar="N",
            part_of=part_of,
            callback=callback,
            help=text,
        )
        return number(rule(function))

    return add


def views_in_words(table: FeatureTable) -> str:
    """What the training images of a table with views are trained with."""
    return (
        f"each training image with {counted(table.n_views, 'view')} of it ({table.views.rule}), "
        f"which weigh as much as one image together"
    )
