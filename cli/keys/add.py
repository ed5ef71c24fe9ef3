"""`bottlebank keys add`."""

from __future__ import annotations

from ...service.access.keys import ROLES
from ...service.access.rate_limit import read_rate
from ..command import command, option
from ..output import print_json, say, tell
from ..parameters import options
from ..parameters.types import FILE, Checked, Choice


@command(example="bottlebank keys add --keys keys.txt --name app1 --role predict")
@option("--keys", type=FILE, metavar="FILE", required=True, help="the file; made where it is not")
@option("--name", metavar="NAME", required=True, help="who has the key; the log shows it")
@option(
    "--role",
    type=Choice(ROLES),
    default=ROLES[0],
    help="predict for all that needs a key but changing the head, which needs admin",
)
@option(
    "--rate",
    type=Checked(read_rate),
    metavar="N/s|N/min|N/h",
    default_in_words="--rate-limit of the server",
    help="requests that this key may send",
)
@options.as_json()
def run(keys: str, name: str, role: str, rate: str | None, json: bool) -> int:
    """Make a key and print it."""
    from ...service.access.key_file import add_key

    key = add_key(keys, name, role, None if rate is None else read_rate(rate))
    if json:
        print_json({"name": name, "role": role, "key": key})
    else:
        say(f"the key of {name}; it is not shown again:")
        tell(key)
    return 0
