"""`bottlebank cache verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...formatting import counted
from ...progress import Progress
from ..command import command, option
from ..output import print_json, tell
from ..parameters import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Item = TypeVar("_Item")


@command(example="bottlebank cache verify")
@option(
    "--deep",
    is_flag=True,
    help="also hash the image files that are known by size and time only",
)
@options.cache()
@options.as_json()
def run(deep: bool, cache: str | None, json: bool) -> int:
    """Check every shard."""
    from ...cache import CacheFolder

    n_shards, damage = 0, []
    with CacheFolder(cache) as folder:
        total = sum(len(recipe.shard_names()) for recipe in folder.all())
        for found in _shown("Verifying", folder.verify(), total, "shards"):
            n_shards += 1
            if found is not None:
                damage.append({"path": str(found.path), "reason": found.reason})
        n_files, changed = 0, []
        if deep:
            total = folder.index.n_files()
            for found in _shown("Hashing", folder.verify_files(), total, "files"):
                n_files += 1
                if found is not None:
                    changed.append({"path": str(found.path), "reason": found.reason})
        root = folder.address
    if json:
        answer = {"cache": root, "shards": n_shards, "damaged": damage}
        print_json({**answer, "files": n_files, "changed": changed} if deep else answer)
    else:
        for entry in [*damage, *changed]:
            tell(entry["reason"])
        tell(f"{counted(n_shards, 'shard')} checked, {len(damage)} damaged")
        if deep:
            tell(f"{counted(n_files, 'image file')} hashed, {len(changed)} changed")
    return 1 if damage or changed else 0


def _shown(what: str, items: Iterable[_Item], total: int, unit: str) -> Iterator[_Item]:
    with Progress(what, total, unit=unit) as bar:
        for item in items:
            yield item
            bar.update()
