"""--views and --view-rule, of the commands that train on views or average over them."""

from __future__ import annotations

from typing import Any

from . import choices
from .command import option
from .parameter_types import Choice, WholeNumber


def views(text: str, *, part_of: str = "extraction", **settings: Any) -> Any:
    """Both options; `text` says what the views are for, `settings` are those of the rule."""

    def add(function: Any) -> Any:
        rule = option(
            "--view-rule",
            type=Choice(choices.VIEW_RULES),
            part_of=part_of,
            **{"default": choices.VIEW_RULES[0], **settings},
            help=choices.VIEW_RULES_IN_WORDS,
        )
        number = option(
            "--views",
            type=WholeNumber(0, choices.MOST_VIEWS),
            default=0,
            metavar="N",
            part_of=part_of,
            help=text,
        )
        return number(rule(function))

    return add
