"""`bottlebank cache info|verify|export`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .answers import print_json, require_output, say, shown
from .parser import DATA_HELP, PRECISIONS, Parser, add_answers, add_cache, add_command

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the group."""
    group: Parser = commands.add_parser(
        "cache",
        help="Look into the cache, check it, export it.",
        description="Look into the cache, check it, export it.",
        epilog="example:\n  bottlebank cache info",
    )
    actions = group.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)

    info = add_command(
        actions,
        "info",
        run_info,
        summary="What the cache holds, by recipe: rows, bytes, rejected images and why.",
        example="bottlebank cache info --json",
    )
    verify = add_command(
        actions,
        "verify",
        run_verify,
        summary="Check every byte of every shard; exit 1 on damage.",
        example="bottlebank cache verify",
    )
    export = add_command(
        actions,
        "export",
        run_export,
        summary="Write one plain HDF5 file for other tools: features, keys, paths.",
        example="bottlebank cache export features.h5 --data photos/",
    )
    export.add_argument("output", metavar="FEATURES.h5", help="the file to write")
    export.add_argument(
        "--data",
        metavar="DATA",
        help=f"one row an image of DATA, with labels and split ({DATA_HELP})",
    )
    export.add_argument(
        "--fingerprint",
        metavar="PREFIX",
        help="which recipe, by the beginning of its fingerprint; needed when there are several",
    )
    export.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="which variant (default: the one with the most rows)",
    )
    for parser in (info, verify, export):
        add_cache(parser)
        add_answers(parser, strict=False)


def run_info(arguments: argparse.Namespace) -> int:
    """List recipes and variants."""
    from ..cache import CacheFolder
    from ..pipeline.inspect import describe

    with CacheFolder(arguments.cache) as folder:
        entries = [describe(folder, cache) for cache in folder.all()]
        root = str(folder.root)
    if arguments.json:
        print_json({"cache": root, "recipes": entries})
        return 0
    print(f"cache: {root}")
    if not entries:
        print("  nothing yet: fill it with `bottlebank extract DATA`")
    for entry in entries:
        print(f"  {entry['fingerprint'][:12]}  {entry['words']}")
        print(
            f"    {entry['precision']}: {entry['rows']} rows, {entry['bytes'] / 1e6:.1f} MB in "
            f"{entry['shards']} shards, {len(entry['rejected'])} rejected images"
        )
        for rejection in entry["rejected"]:
            print(f"      {shown(rejection['path'])}: {rejection['reason']}")
        for name in entry["damaged"]:
            print(f"      damaged: {name}")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check every shard."""
    from tqdm import tqdm

    from ..cache import CacheFolder

    n_shards, damage = 0, []
    with CacheFolder(arguments.cache) as folder:
        total = sum(len(cache.shard_paths()) for cache in folder.all())
        for found in tqdm(folder.verify(), "Verifying", total, unit=" shards", disable=None):
            n_shards += 1
            if found is not None:
                damage.append({"path": str(found.path), "reason": found.reason})
        root = str(folder.root)
    if arguments.json:
        print_json({"cache": root, "shards": n_shards, "damaged": damage})
    else:
        for entry in damage:
            print(entry["reason"])
        print(f"{n_shards} shards checked, {len(damage)} damaged")
    return 1 if damage else 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file."""
    output = require_output(arguments.output, (".h5", ".hdf5"))
    from ..cache import CacheFolder
    from ..features import load_dataset
    from ..pipeline.inspect import choose, export

    dataset = None if arguments.data is None else load_dataset(arguments.data)
    with CacheFolder(arguments.cache) as folder:
        cache = choose(folder, arguments.fingerprint, arguments.precision)
        exported = export(folder, cache, output, dataset)
    for path in exported.missing:
        say(f"left out, it has no row: {os.fsdecode(path)}")
    if arguments.json:
        print_json(
            {
                "output": str(output),
                "rows": exported.rows,
                "missing": len(exported.missing),
                "fingerprint": cache.fingerprint,
                "precision": cache.variant,
            }
        )
    else:
        print(f"wrote {output}: {exported.rows} rows of {cache.fingerprint[:12]} ({cache.variant})")
    return 0
