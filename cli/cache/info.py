"""`bottlebank cache info`."""

from __future__ import annotations

from ...formatting import counted
from ..command import command
from ..output import print_json, tell
from ..parameters import options


@command(example="bottlebank cache info --json")
@options.cache()
@options.as_json()
def run(cache: str | None, json: bool) -> int:
    """List recipes and variants."""
    from ...cache import CacheFolder
    from ...cache.sheets import Sheets
    from ...extraction.maintenance import describe

    with CacheFolder(cache) as folder:
        entries = [describe(folder, recipe) for recipe in folder.all()]
        n_sheets, n_bytes = Sheets(folder.root).count()
        root = folder.address
    if json:
        thumbnails = {"sheets": n_sheets, "bytes": n_bytes}
        print_json({"cache": root, "recipes": entries, "thumbnails": thumbnails})
        return 0
    tell(f"cache: {root}")
    if not entries:
        tell("  nothing yet: fill it with `bottlebank extract DATA`")
    for entry in entries:
        tell(f"  {entry['fingerprint'][:12]}  {entry['words']}")
        n_views = entry["rows"] - entry["images"]
        views = f" ({n_views:,} of views)" if n_views else ""
        tell(
            f"    {entry['precision']}: {counted(entry['rows'], 'row')}{views}, "
            f"{entry['bytes'] / 1e6:.1f} MB in "
            f"{counted(entry['shards'], 'shard')}, "
            f"{counted(len(entry['rejected']), 'rejected image')}"
            f"{_layouts(entry['layouts'])}"
        )
        for rejection in entry["rejected"]:
            tell(f"      {rejection['path']}: {rejection['reason']}")
        for failure in entry["failed_here"]:
            tell(f"      failed on this machine: {failure['path']}: {failure['reason']}")
        for name in entry["damaged"]:
            tell(f"      damaged: {name}")
    if n_sheets:
        tell(f"  thumbnails: {n_bytes / 1e6:.1f} MB in {counted(n_sheets, 'sheet')}")
    return 0


def _layouts(n: int) -> str:
    return f", {counted(n, 'map')}" if n else ""
