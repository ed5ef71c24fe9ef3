"""`bottlebank keys remove`."""

from __future__ import annotations

from ..command import command, option
from ..output import print_json, tell
from ..parameters import options
from ..parameters.types import FILE


@command(example="bottlebank keys remove --keys keys.txt --name app1")
@option("--keys", type=FILE, metavar="FILE", required=True, help="a file from `keys add`")
@option("--name", metavar="NAME", required=True, help="whose key; `keys list` shows the names")
@options.as_json()
def run(keys: str, name: str, json: bool) -> int:
    """Remove a key."""
    from ...service.access.key_file import remove_key

    remove_key(keys, name)
    if json:
        print_json({"name": name, "removed": True})
    else:
        tell(f"removed the key of {name}")
    return 0
