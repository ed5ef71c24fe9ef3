"""`bottlebank extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ImageRejectedError
from ..formatting import counted
from .command import command, option
from .output import (
    Stopwatch,
    print_json,
    report_rejections,
    tell,
)
from .parameters import options
from .parameters.cluster import cluster as on_a_cluster
from .parameters.cluster import cluster_of
from .parameters.types import COUNT
from .parameters.views import views

if TYPE_CHECKING:
    from ..extraction.feature_table import Report

_STAGES = {"disk": "the disk", "decode": "decoding", "network": "the network"}


@command(example="bottlebank extract photos/ --extractor efficientnet_lite0")
@options.data(options.UNLABELLED_HELP)
@options.extraction()
@views(
    "variations of each image whose transfer values are kept beside its own, to train on; more of "
    "them later compute only the new ones"
)
@option(
    "--commit-every",
    type=COUNT,
    default=2048,
    metavar="ROWS",
    help="rows per commit; at most this many are lost if the process is killed",
)
@option(
    "--retry-rejected",
    is_flag=True,
    help="decode again what took too much memory or time on this machine",
)
@on_a_cluster()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    extraction: dict[str, Any],
    commit_every: int,
    retry_rejected: bool,
    cluster: dict[str, Any],
    json: bool,
    strict: bool,
) -> int:
    """Extract and report what was done."""
    seconds = Stopwatch()
    chosen = cluster_of(cluster)
    from ..extraction.in_parts import extract_in_parts

    done = extract_in_parts(
        data,
        reading,
        **extraction,
        commit_every=commit_every,
        retry_rejected=retry_rejected,
        cluster=chosen,
    )
    if json:
        answer = done.as_json()
        startup = answer.pop("startup_seconds")
        counts = ("images", "cached", "extracted", "duplicates", "rejected", "ignored")
        print_json(
            {
                **{name: answer.pop(name) for name in counts},
                "seconds": seconds(),
                "startup_seconds": startup,
                **answer,
            },
            rejections=done.rejections_as_json(),
        )
    else:
        _tell(done.report, seconds)
        if done.recipe.is_of_file:
            tell(f"network: {done.recipe.settings_in_words()}")
    code = report_rejections(done.rejected, strict)
    if not len(done):  # the reasons have been given
        raise ImageRejectedError(f"{counted(done.report.rejected, 'image')}, all rejected")
    return code


def _tell(report: Report, seconds: Stopwatch) -> None:
    from ..datasets.folders import kinds_in_words

    kinds = kinds_in_words(report.ignored_kinds)
    kinds = f": {kinds}" if kinds else ""
    tell(
        f"{counted(report.images, 'image')}: {report.extracted} extracted, {report.cached} "
        f"cached, {counted(report.duplicates, 'duplicate')}, {report.rejected} rejected; "
        f"{counted(report.ignored, 'other file')} ignored{kinds}"
    )
    if report.views:
        tell(
            f"{counted(report.views, 'view')} of each image beside it ({report.view_rule}): "
            f"{counted(report.rows, 'row')}, {report.rows_extracted:,} extracted now"
        )
    speed = ""
    if report.bottleneck is not None:
        speed = f", {report.images_per_second} images/s, bottleneck: {_STAGES[report.bottleneck]}"
    tell(
        f"{report.width:,} numbers per image from {report.extractor} ({report.engine}, "
        f"{report.precision}{speed}), {seconds():.1f} s in all"
    )
    if report.cluster is not None:
        _tell_of_cluster(report.cluster)
    tell(f"cache: {report.cache}, recipe {report.fingerprint[:12]}")


def _tell_of_cluster(cluster: dict[str, Any]) -> None:
    workers = cluster["workers"]
    speeds = ", ".join(f"{each['images_per_second']}" for each in workers)
    lost = f"; {counted(cluster['lost'], 'worker')} lost and replaced" if cluster["lost"] else ""
    tell(f"{counted(len(workers), 'worker')} ({speeds} images/s){lost}")
    for name in cluster["stragglers"]:
        tell(f"slow: {name} did less than half of what others did")
