"""`bottlebank keys list`."""

from __future__ import annotations

from ..command import command, option
from ..output import print_json, tell
from ..parameters import options
from ..parameters.types import FILE


@command(example="bottlebank keys list --keys keys.txt")
@option("--keys", type=FILE, metavar="FILE", required=True, help="a file from `keys add`")
@options.as_json()
def run(keys: str, json: bool) -> int:
    """List the keys, of which only hashes are known."""
    from ...service.access.key_file import read_keys

    found = read_keys(keys)
    if json:
        entries = [
            {"name": key.name, "role": key.role, "rate": key.rate and str(key.rate)}
            for key in found
        ]
        print_json({"keys": entries})
        return 0
    for key in found:
        tell(f"{key.name}  {key.role}{f'  {key.rate}' if key.rate else ''}")
    if not found:
        tell("no keys")
    return 0
