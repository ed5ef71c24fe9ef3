"""`bottlebank cache info|verify|prune|export|import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import UsageError
from ..figures import counted
from ..progress import Progress
from .answers import print_json, say, tell
from .data import read_data
from .outputs import EXPORT, require_output, writing
from .parser import (
    DATA_HELP,
    PRECISIONS,
    Parser,
    add_answers,
    add_cache,
    add_command,
    add_reading,
    path,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator


_Item = TypeVar("_Item")


def add_to(commands: Any) -> None:
    """Add the group."""
    group: Parser = commands.add_parser(
        "cache",
        help="Look into the cache, check it, tidy it, share it.",
        description="Look into the cache, check it, tidy it, share it.",
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
    add_reading(export)
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
    verify.add_argument(
        "--deep",
        action="store_true",
        help="also hash the image files that are known by size and time only",
    )
    prune = add_command(
        actions,
        "prune",
        run_prune,
        summary="Remove rows whose images are gone and damaged shards, and merge small shards; "
        "only says what it would do, unless --yes.",
        example="bottlebank cache prune --yes",
    )
    prune.add_argument(
        "--fingerprint", metavar="PREFIX", help="only this recipe (default: every recipe)"
    )
    prune.add_argument(
        "--whole",
        action="store_true",
        help="remove the recipe with all its rows; needs --fingerprint",
    )
    prune.add_argument("--yes", action="store_true", help="do it")
    bring = add_command(
        actions,
        "import",
        run_import,
        summary="Bring in the rows of another cache folder, or of a file from `cache export`; "
        "exit 1 where nothing of it can be.",
        example="bottlebank cache import colleague/cache/",
    )
    bring.add_argument("source", type=path, metavar="SOURCE", help="a cache folder or a file")
    for parser in (info, verify, export, prune, bring):
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
    tell(f"cache: {root}")
    if not entries:
        tell("  nothing yet: fill it with `bottlebank extract DATA`")
    for entry in entries:
        tell(f"  {entry['fingerprint'][:12]}  {entry['words']}")
        tell(
            f"    {entry['precision']}: {counted(entry['rows'], 'row')}, "
            f"{entry['bytes'] / 1e6:.1f} MB in "
            f"{counted(entry['shards'], 'shard')}, "
            f"{counted(len(entry['rejected']), 'rejected image')}"
        )
        for rejection in entry["rejected"]:
            tell(f"      {rejection['path']}: {rejection['reason']}")
        for name in entry["damaged"]:
            tell(f"      damaged: {name}")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check every shard."""
    from ..cache import CacheFolder

    n_shards, damage = 0, []
    with CacheFolder(arguments.cache) as folder:
        total = sum(len(cache.shard_paths()) for cache in folder.all())
        for found in _shown("Verifying", folder.verify(), total, "shards"):
            n_shards += 1
            if found is not None:
                damage.append({"path": str(found.path), "reason": found.reason})
        n_files, changed = 0, []
        if arguments.deep:
            total = len(folder.index.files())
            for found in _shown("Hashing", folder.verify_files(), total, "files"):
                n_files += 1
                if found is not None:
                    changed.append({"path": str(found.path), "reason": found.reason})
        root = str(folder.root)
    if arguments.json:
        answer = {"cache": root, "shards": n_shards, "damaged": damage}
        print_json({**answer, "files": n_files, "changed": changed} if arguments.deep else answer)
    else:
        for entry in [*damage, *changed]:
            tell(entry["reason"])
        tell(f"{counted(n_shards, 'shard')} checked, {len(damage)} damaged")
        if arguments.deep:
            tell(f"{counted(n_files, 'image file')} hashed, {len(changed)} changed")
    return 1 if damage or changed else 0


def run_prune(arguments: argparse.Namespace) -> int:
    """Say what can go; with --yes, remove it."""
    if arguments.whole and not arguments.fingerprint:
        raise UsageError("--whole removes a recipe with all its rows: name it with --fingerprint")
    from ..cache import CacheFolder
    from ..pipeline.inspect import prune

    with CacheFolder(arguments.cache) as folder:
        with Progress("Pruning" if arguments.yes else "Looking for what can go"):
            entries = prune(folder, arguments.fingerprint, whole=arguments.whole, do=arguments.yes)
        root = str(folder.root)
    if arguments.json:
        print_json({"cache": root, "done": arguments.yes, "recipes": entries})
        return 0
    done = "" if arguments.yes else "would be "
    for entry in entries:
        tell(
            f"{entry['fingerprint'][:12]} {entry['variant']}: {done}removed: "
            f"{counted(entry['rows_removed'], 'row')}, "
            f"{counted(entry['rejections_removed'], 'rejection')}, "
            f"{counted(len(entry['damaged']), 'damaged shard')}; {done}written anew: "
            f"{counted(entry['shards_rewritten'], 'shard')}"
        )
    if not entries:
        tell("nothing to prune")
    elif not arguments.yes:
        tell("nothing has been changed yet: add --yes to do this")
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Copy what is not here."""
    from ..cache import CacheFolder
    from ..pipeline.inspect import import_from

    source = Path(arguments.source)
    if not source.exists():
        raise UsageError(f"no such folder or file: {source}")
    with CacheFolder(arguments.cache, create=True) as folder:
        with Progress("Importing"):
            brought = import_from(folder, source)
        root = str(folder.root)
    for reason in brought.damaged:
        say(f"left out: {reason}")
    if not brought.has_checksum:
        say(
            f"note: {source} has no checksum, as exports of older versions: damage to its numbers "
            f"would not show"
        )
    if arguments.json:
        print_json({"cache": root, "shards": brought.shards, "rows": brought.rows})
    else:
        what = (
            counted(brought.rows, "row") if source.is_file() else counted(brought.shards, "shard")
        )
        tell(f"brought {what} from {source} into {root}")
    return int(bool(brought.damaged) and not brought.shards and not brought.present)


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file."""
    output = require_output(arguments.output, EXPORT, [arguments.data])
    from ..cache import CacheFolder
    from ..pipeline.inspect import choose, export

    dataset = None if arguments.data is None else read_data(arguments)
    with CacheFolder(arguments.cache) as folder:
        cache = choose(folder, arguments.fingerprint, arguments.precision)
        with Progress(f"Exporting {cache.fingerprint[:12]}"), writing(output):
            exported = export(folder, cache, output, dataset)
    for missing in exported.missing:
        say(f"left out, it has no row: {missing}")
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
        tell(
            f"wrote {output}: {counted(exported.rows, 'row')} of {cache.fingerprint[:12]} "
            f"({cache.variant})"
        )
    return 0


def _shown(what: str, items: Iterable[_Item], total: int, unit: str) -> Iterator[_Item]:
    with Progress(what, total, unit=unit) as bar:
        for item in items:
            yield item
            bar.update()
