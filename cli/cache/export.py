"""`bottlebank cache export`."""

from __future__ import annotations

from typing import Any

from ...formatting import counted
from ...progress import Progress
from ...replaceable import writing
from ...reports.output_paths import EXPORT, require_output
from ..command import argument, command, option
from ..output import print_json, say, tell
from ..parameters import options
from ..parameters.types import FILE


@command(example="bottlebank cache export features.h5 --data photos/")
@argument("output", type=FILE, metavar="FEATURES.h5", help="the file to write")
@option(
    "--data",
    type=FILE,
    metavar="DATA",
    help=f"one row per image of DATA, with labels and split ({options.DATA_HELP})",
)
@options.reading()
@option(
    "--fingerprint",
    metavar="PREFIX",
    help="which recipe, by the beginning of its fingerprint; needed when there are several",
)
@options.precision(help="which variant", default_in_words="the one with the most rows")
@options.cache()
@options.as_json()
def run(
    output: str,
    data: str | None,
    reading: dict[str, Any],
    fingerprint: str | None,
    precision: str,
    cache: str | None,
    json: bool,
) -> int:
    """Write the file."""
    path = require_output(output, EXPORT, [data])
    from ...cache import CacheFolder
    from ...datasets import load_dataset
    from ...extraction.maintenance import choose, export

    dataset = None if data is None else load_dataset(data, **reading)
    with CacheFolder(cache) as folder:
        rows = choose(folder, fingerprint, precision)
        with Progress(f"Exporting {rows.fingerprint[:12]}"), writing(path):
            exported = export(folder, rows, path, dataset)
    for missing in exported.missing:
        say(f"left out, since it is not in the cache: {missing}")
    if json:
        print_json(
            {
                "output": str(path),
                "rows": exported.rows,
                "missing": len(exported.missing),
                "fingerprint": rows.fingerprint,
                "precision": rows.variant,
            }
        )
    else:
        tell(
            f"wrote {path}: {counted(exported.rows, 'row')} of {rows.fingerprint[:12]} "
            f"({rows.variant})"
        )
    return 0
