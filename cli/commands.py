"""All commands, by name and summary; each is imported when it is run."""

from __future__ import annotations

import sys

import click

from .. import __version__
from .command import Group, Option
from .output import print_help
from .usage.environment import PREFIX

_COMMANDS = {
    "extract": "Compute the transfer values of every image and keep them in the cache.",
    "train": "Train a head on a dataset; images that are not in the cache are extracted first.",
    "evaluate": "Evaluate a head on one split of a dataset.",
    "audit": "Look for wrong labels, duplicates, outliers, shortcuts, and what to label next.",
    "finetune": "Train the last blocks of a head's network together with the head.",
    "compare": "Cross-validate heads and extractors on the same folds, and report what differs.",
    "predict": "Predict the classes of images; print one line for each.",
    "similar": "Find the images of DATA that are most similar to an image.",
    "recipe": "Build a known system from DATA, from images to a report, and compare it with a "
    "baseline.",
    "plot": "Draw a map on which images with similar transfer values lie together.",
    "look": "Look into the network: what it sees in an image, and what it is blind to.",
    "export": "Write a head with its extractor in the format of another program, and compare both.",
    "serve": "Answer predictions over HTTP, with a page to drop images on.",
    "keys": "Make, list and remove the keys of `serve --keys`.",
    "extractors": "List the networks that can be the extractor, or the layers of one.",
    "cache": "Look into the cache, check it, tidy it, share it.",
    "demo": "Extract, train, evaluate, draw maps and predict, on scikit-learn's digits.",
}
_OF_THE_CACHE = {
    "info": "Show what the cache holds, by recipe: rows, bytes, rejected images and why.",
    "verify": "Check every byte of every shard; exit 1 on damage.",
    "prune": "Remove damaged shards and rows whose images are gone, and merge small shards; "
    "without --yes, only report what would be done.",
    "export": "Write one plain HDF5 file for other tools: features, keys, paths.",
    "import": "Import the rows of another cache folder, or of a file from `cache export`; exit 1 "
    "if nothing can be imported.",
}
_OF_THE_KEYS = {
    "add": "Make a key, print it once, and keep its hash in a file.",
    "list": "List the keys of a file: names, roles and rate limits.",
    "remove": "Remove a key from a file; a server that runs refuses it from then on.",
}
_OF_THE_LOOKS: dict[str, str] = {
    "features": "Draw what layers make of an image: its strongest units, their maps, and the "
    "photographs of DATA that excite them most.",
    "saliency": "Show which parts of an image the answer of a head rests on.",
    "maximise": "Make pictures that excite units of the network, or speak for classes of a head.",
    "adversarial": "Find the smallest change of an image that has the head say otherwise.",
    "style": "Paint a photograph in the style of another picture.",
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
            "look",
            summaries=_OF_THE_LOOKS,
            module_prefix="look.",
            help=_COMMANDS["look"],
            subcommand_metavar="WHAT ...",
            epilogue=[
                "\b\nExample:\n  bottlebank look saliency photo.jpg --head head.h5 --output why.png"
            ],
        ),
        Group(
            "keys",
            summaries=_OF_THE_KEYS,
            module_prefix="keys.",
            help=_COMMANDS["keys"],
            subcommand_metavar="ACTION ...",
            epilogue=["\b\nExample:\n  bottlebank keys list --keys keys.txt"],
        ),
        Group(
            "cache",
            summaries=_OF_THE_CACHE,
            module_prefix="cache.",
            help=_COMMANDS["cache"],
            subcommand_metavar="ACTION ...",
            epilogue=["\b\nExample:\n  bottlebank cache info"],
        ),
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
    help="Teach a computer to sort your photographs into classes of your own, from a few dozen "
    "examples of each, in minutes, on an ordinary laptop.",
    subcommand_metavar="COMMAND ...",
    context_settings={"auto_envvar_prefix": PREFIX},
    epilogue=[
        "Environment variables: BOTTLEBANK_CACHE, BOTTLEBANK_EXTRACTOR, BOTTLEBANK_ENGINE and "
        "BOTTLEBANK_PRECISION set these options for every command; any other option is "
        "BOTTLEBANK_<COMMAND>_<OPTION>, such as BOTTLEBANK_SERVE_PORT.",
        "Completion of commands, options, choices and paths, in bash (also zsh and fish):",
        f'\b\n  eval "$({COMPLETION}=bash_source bottlebank)"',
        "\b\nExample:\n  bottlebank train photos/ --extractor efficientnet_lite0 --output head.h5",
    ],
)
"""The program `bottlebank`."""
