"""Options of the commands that lay images out on a map."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..command import option
from . import choices
from .types import NEIGHBORS, PERPLEXITY, Choice, WholeNumber


def layout(function: Any) -> Any:
    """How a map is made: `layout`, keywords of `reports.layouts.lay_out`, but for the seed."""
    add = partial(option, part_of="layout")
    for each in (
        add(
            "--fresh",
            is_flag=True,
            only_typed=True,
            help="lay all images out anew; else a map that is kept of most of them is taken, and "
            "new ones are placed on it",
        ),
        add(
            "--neighbors",
            type=NEIGHBORS,
            metavar="N",
            default_in_words="15, or less with few images",
            help="of UMAP: how many neighbours each image has, itself among them; more of them "
            "keep more of the large-scale arrangement",
        ),
        add(
            "--perplexity",
            type=PERPLEXITY,
            metavar="X",
            default_in_words="30, or less with few images",
            help="of t-SNE: about how many neighbours each image has; at most a third of the "
            "images",
        ),
        add(
            "--dimensions",
            type=WholeNumber(2, 3),
            default=2,
            metavar="2|3",
            help="of the map",
        ),
        add(
            "--method",
            type=Choice(choices.METHODS),
            default=choices.METHODS[0],
            help=choices.METHODS_IN_WORDS,
        ),
    ):
        function = each(function)
    return function
