"""`bottlebank cache prune`."""

from __future__ import annotations

from ...formatting import counted
from ...progress import Progress
from ..command import command, option
from ..output import print_json, tell
from ..parameters import options

_WORK = ("rows_removed", "rejections_removed", "damaged", "layouts_removed", "shards_rewritten")


@command(example="bottlebank cache prune --yes")
@option(
    "--fingerprint",
    metavar="PREFIX",
    default_in_words="every recipe",
    help="only this recipe",
)
@option(
    "--whole",
    is_flag=True,
    only_typed=True,
    help="remove the recipe with all its rows; needs --fingerprint",
)
@option("--yes", is_flag=True, only_typed=True, help="remove them; without it, nothing is changed")
@options.cache()
@options.as_json()
def run(fingerprint: str | None, whole: bool, yes: bool, cache: str | None, json: bool) -> int:
    """Report what can go; with --yes, remove it."""
    from ...cache import CacheFolder
    from ...extraction.maintenance import prune

    with CacheFolder(cache) as folder:
        with Progress("Pruning" if yes else "Looking for what can go"):
            entries, n_sheets = prune(folder, fingerprint, whole=whole, do=yes)
        root = folder.address
    if json:
        about = {"cache": root, "done": yes, "recipes": entries}
        print_json({**about, "sheets_removed": n_sheets})
        return 0
    done = "" if yes else "would be "
    work = 0
    for entry in entries:
        name = f"{entry['fingerprint'][:12]} {entry['variant']}"
        if entry["rows_kept"] or entry["rejections_kept"]:
            tell(
                f"{name}: kept: {counted(entry['rows_kept'], 'row')}, "
                f"{counted(entry['rejections_kept'], 'rejection')}, whose images are not found: "
                f"they were never seen on this machine, or their folder is not there or was "
                f"replaced"
            )
        if any(entry[what] for what in _WORK):
            work += 1
            tell(
                f"{name}: {done}removed: {counted(entry['rows_removed'], 'row')}, "
                f"{counted(entry['rejections_removed'], 'rejection')}, "
                f"{counted(len(entry['damaged']), 'damaged shard')}, "
                f"{counted(entry['layouts_removed'], 'map')}; {done}rewritten: "
                f"{counted(entry['shards_rewritten'], 'shard')}"
            )
    if n_sheets:
        work += 1
        tell(f"thumbnails: {done}removed: {counted(n_sheets, 'sheet')}")
    if not work:
        tell("nothing to prune")
    elif not yes:
        tell("nothing has been changed yet: add --yes to do this")
    return 0
