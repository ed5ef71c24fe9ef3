"""All commands, by name and summary; each is imported when it is run."""

from __future__ import annotations

import sys

import click

from .. import __version__
from .command import Group, Option
from .environment import PREFIX
from .output import print_help

_COMMANDS = {
    "extract": "Bring the transfer values of every image into the cache.",
    "train": "Train a head on a dataset, extracting first what is not in the cache.",
    "evaluate": "Evaluate a head on one split of a dataset.",
    "compare": "Cross-validate heads and extractors on the same folds, and report what differs.",
    "predict": "Predict the classes of images; one line of output each.",
    "plot": "Draw a map on which images with similar transfer values lie together.",
    "serve": "Answer predictions over HTTP, with a page to drop images on.",
    "cache": "Look into the cache, check it, tidy it, share it.",
    "demo": "Extract, train, evaluate, draw maps and predict, on scikit-learn's digits.",
}
_OF_THE_CACHE = {
    "info": "What the cache holds, by recipe: rows, bytes, rejected images and why.",
    "verify": "Check every byte of every shard; exit 1 on damage.",
    "prune": "Remove rows whose images are gone and damaged shards, and merge small shards; only "
    "reports what it would do, unless --yes.",
    "export": "Write one plain HDF5 file for other tools: features, keys, paths.",
    "import": "Bring in the rows of another cache folder, or of a file from `cache export`; exit 1 "
    "where nothing of it can be.",
}
COMPLETION = "_BOTTLEBANK_COMPLETE"
"""The variable by which a shell requests completion."""


def _print_version(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        print_help(f"bottlebank {__version__}\n", sys.stdout)
        ctx.exit()


program = Group(
    "bottlebank",
    summaries=_COMMANDS,
    groups=[
        Group(
            "cache",
            summaries=_OF_THE_CACHE,
            module_prefix="cache_",
            help=_COMMANDS["cache"],
            subcommand_metavar="ACTION ...",
            epilogue=["\b\nExample:\n  bottlebank cache info"],
        )
    ],
    params=[
        Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            only_typed=True,
            callback=_print_version,
            help="show the version and exit",
        )
    ],
    help="Bank the bottleneck features of your images once; train, look at and serve small heads "
    "on them in seconds.",
    subcommand_metavar="COMMAND ...",
    context_settings={"auto_envvar_prefix": PREFIX},
    epilogue=[
        "Environment variables: BOTTLEBANK_CACHE, BOTTLEBANK_EXTRACTOR, BOTTLEBANK_ENGINE and "
        "BOTTLEBANK_PRECISION set these options for every command; any other option is "
        "BOTTLEBANK_<COMMAND>_<OPTION>, such as BOTTLEBANK_SERVE_PORT.",
        "Completion of commands, options, choices and paths, in bash (also zsh and fish):",
        f'\b\n  eval "$({COMPLETION}=bash_source bottlebank)"',
        "\b\nExample:\n  bottlebank train photos/ --extractor mobilenet_v2 --output head.h5",
    ],
)
"""The program `bottlebank`."""
