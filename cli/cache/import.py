"""`bottlebank cache import`."""

from __future__ import annotations

from pathlib import Path

from ...formatting import counted
from ...progress import Progress
from ..command import argument, command
from ..output import print_json, say, tell
from ..parameters import options
from ..parameters.types import FILE


@command(example="bottlebank cache import colleague/cache/")
@argument("source", type=FILE, metavar="SOURCE", help="a cache folder or a file")
@options.cache()
@options.as_json()
def run(source: str, cache: str | None, json: bool) -> int:
    """Copy what is not here."""
    from ...cache import CacheFolder
    from ...extraction.maintenance import import_from

    path = Path(source)
    with CacheFolder(cache, create=True) as folder:
        with Progress("Importing"):
            brought = import_from(folder, path)
        root = folder.address
    for reason in brought.damaged:
        say(f"left out: {reason}")
    if not brought.has_checksum:
        say(
            f"note: {source} was written by an older version and has no checksum: damage to its "
            f"numbers would go unnoticed"
        )
    if json:
        print_json({"cache": root, "shards": brought.shards, "rows": brought.rows})
    else:
        what = counted(brought.rows, "row") if path.is_file() else counted(brought.shards, "shard")
        tell(f"imported {what} from {source} into {root}")
    return int(bool(brought.damaged) and not brought.shards and not brought.present)
