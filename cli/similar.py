"""`bottlebank similar`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..formatting import counted
from .command import argument, command, option
from .output import Stopwatch, print_json, report_rejections, tell
from .parameters import options
from .parameters.labels import answered, labels_option, lay_over, read
from .parameters.types import COUNT, FILE

if TYPE_CHECKING:
    from ..prediction import SimilarImages


@command(example="bottlebank similar holiday.jpg --data photos/ --top 10")
@argument("image", type=FILE, metavar="IMAGE", help="an image file, of DATA or not")
@option(
    "--data",
    type=FILE,
    required=True,
    metavar="DATA",
    help=f"{options.DATA_HELP}{options.UNLABELLED_HELP}",
)
@options.reading()
@labels_option()
@option("--top", type=COUNT, default=10, metavar="N", help="images to show")
@options.extraction()
@options.as_json()
@options.strict()
def run(
    image: str,
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    top: int,
    extraction: dict[str, Any],
    json: bool,
    strict: bool,
) -> int:
    """Find and print them, the most similar first."""
    seconds = Stopwatch()
    from ..datasets import load_dataset
    from ..extraction import extract
    from ..prediction.similar_search import require_image, similar

    require_image(image)
    labels_file = read(labels)
    table = extract(load_dataset(data, **reading), **extraction)
    changes = lay_over(table, labels_file)
    if changes is not None:
        table = changes.table
    loading = {name: extraction[name] for name in ("engine", "max_pixels", "memory")}
    found = similar(image, table, top, **loading)
    if json:
        about = {"images": len(table), "extractor": table.report.extractor}
        print_json({**found.as_dict(), **about, **answered(changes), "seconds": seconds()})
    else:
        _tell(found, top)
        tell(
            f"of {counted(len(table), 'image')}, by the cosine of their transfer values "
            f"({table.report.extractor}), {seconds():.1f} s in all"
        )
    return report_rejections(table.rejected, strict)


def _tell(found: SimilarImages, top: int) -> None:
    width = min(30, max((len(each.label) for each in (*found.same, *found.nearest)), default=0))
    for each in found.same[:top]:
        tell(f"   same  {each.label:<{width}}  {each.path}")
    if len(found.same) > top:
        tell(f"   and {len(found.same) - top:,} more that are the same")
    for each in found.nearest:
        tell(f"{each.similarity:7.3f}  {each.label:<{width}}  {each.path}")
