"""`bottlebank look maximise`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast

from ...errors import UsageError
from ...formatting import counted
from ...reports.output_paths import PICTURE, require_folder, require_output
from ..command import command, option
from ..output import Stopwatch, percent, print_json, tell
from ..parameters import options, pictures
from ..parameters.types import COUNT, FILE, Choice, Names, Number
from .opening import NAMED, open_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...interpret.maximised_pictures import Maximised

_ALL = "all"
_MOST_UNITS = 500


@command(example="bottlebank look maximise --head head.h5 --class all --output classes.png")
@options.extractor(
    part_of="network",
    default_in_words="the head's own",
    help="the network, where there is no --head",
)
@options.head(help="a head file, for its classes, or for units of its network")
@option(
    "--class",
    "classes",
    metavar="C,…|all",
    help="classes of the head, separated by commas; all for each of them",
)
@option(
    "--layer",
    metavar="NAME",
    default_in_words="the transfer values",
    help=f"the layer of the units; {NAMED}",
)
@option("--unit", type=Names(), metavar="U,…", help="units, from 0, and ranges such as 0-99")
@option(
    "--at",
    type=Choice(("mean", "middle")),
    default="mean",
    help="of a map: the mean over its positions, or its value in the middle",
)
@option("--steps", type=COUNT, default=64, metavar="N", help="steps for each picture")
@option(
    "--decay",
    type=Number("a number between 0 and 3", -1e-9, 3),
    default=1.4,
    metavar="X",
    help="the power of the frequency by which amplitudes fall: more gives smoother pictures",
)
@options.output(
    required=True,
    metavar="GRID.png",
    help="the grid: a name ending in .png or .svg; each picture is kept in GRID-cells beside it, "
    "from which an interrupted run goes on",
)
@pictures.theme()
@option(
    "--weights",
    type=FILE,
    default="imagenet",
    metavar="imagenet|FILE",
    part_of="network",
    help="as in `bottlebank extract`; of a head, where the weights are, if they have moved",
)
@option(
    "--scaling",
    metavar="tf|torch|caffe|none|MEAN,DEVIATION",
    default_in_words="the network's own, or what the file says",
    part_of="network",
    help="as in `bottlebank extract`",
)
@options.engine(part_of="network")
@options.cache(part_of="network")
@options.seed()
@options.as_json()
def run(
    network: dict[str, Any],
    head: str | None,
    classes: str | None,
    layer: str | None,
    unit: list[str] | None,
    at: str,
    steps: int,
    decay: float,
    output: str,
    theme: str,
    seed: int,
    json: bool,
) -> int:
    """Make the pictures, draw the grid and report where."""
    seconds = Stopwatch()
    from ...reports.looks.maximise import cells_folder, draw_maximised

    path = require_output(output, PICTURE, [head, network["weights"]])
    cells = require_folder(cells_folder(path))
    if head is None and network["extractor"] is None:
        raise UsageError("which network? Give --extractor NAME or --head HEAD.h5")
    if (classes is None) == (unit is None):
        raise UsageError("what is to be maximised? Give --unit U,… or, with --head, --class C,…")
    if classes is not None and head is None:
        raise UsageError("--class is of a head: give --head HEAD.h5, or --unit for the network's")
    if head is not None and network["scaling"] is not None:
        raise UsageError("--scaling comes from the head: leave it out beside --head")
    if classes is not None and layer is not None:
        raise UsageError("--class is of the head, --layer of the network: leave one out")
    units = [] if unit is None else _units(unit)
    chosen = () if head is None or classes is None else _classes(classes, head)
    opened = open_network(head, network, engine=network["engine"])
    from ...interpret.maximised_pictures import maximise

    found = maximise(
        opened,
        units=units,
        layer=layer,
        classes=chosen,
        at=cast("Literal['mean', 'middle']", at),
        steps=steps,
        decay=decay,
        random_state=seed,
        keep=cells,
    )
    caption = draw_maximised(found, path, theme=theme)
    if json:
        print_json({"output": str(path), **found.as_dict(), "seconds": seconds()})
    else:
        _tell(found)
        n_kept = sum(each.was_kept for each in found.pictures)
        before = f", {n_kept} of them from an earlier run" if n_kept else ""
        tell(
            f"wrote {path} and {counted(len(found.pictures), 'picture')} in {cells}{before}: "
            f"{caption} {seconds():.1f} s in all"
        )
    return 0


def _units(given: Sequence[str]) -> list[int]:
    """Numbers and ranges.

    Raises
    ------
    UsageError
        For anything else.
    """
    found: list[int] = []
    for words in given:
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", words)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if last < first or last - first >= _MOST_UNITS:
            raise UsageError(
                f"--unit: expected numbers from 0, or ranges of at most {_MOST_UNITS:,} such as "
                f"0-99, separated by commas; received {words!r}"
            )
        found += range(first, last + 1)
    if len(found) > _MOST_UNITS:
        raise UsageError(
            f"--unit: {len(found):,} units are too many for one picture, which holds "
            f"{_MOST_UNITS:,}: make several"
        )
    return found


def _classes(given: str, head: str) -> Sequence[str]:
    """All of a head; or one whose name may hold commas; or several.

    Raises
    ------
    UsageError
        When the head has none of that name; its network is not opened for that.
    """
    from ...classifier import load_head
    from ...interpret.known_class import require_class

    known = load_head(head).classes
    if given in known:
        return [given]
    if given == _ALL:
        return known
    names = [name.strip() for name in given.split(",") if name.strip()] or [given]
    for name in names:
        require_class(known, name)
    return names


def _tell(found: Maximised) -> None:
    for each in found.pictures:
        if each.probability is None:
            tell(f"unit {each.target:>5}  {each.score:8.4g}")
        else:
            unknown = "  (called unknown)" if each.unknown else ""
            tell(f"{percent(each.probability):>7}  {each.target}{unknown}")
