"""Labels files on the command line: read before any work, laid over what was extracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..command import option
from ..output import say
from .types import FILE

if TYPE_CHECKING:
    from ...datasets.labels_file import LabelsFile
    from ...extraction import FeatureTable
    from ...extraction.relabelling import Relabelled
    from .options import Decorator


def labels_option() -> Decorator:
    """--labels, a labels file that is laid over DATA."""
    return option(
        "--labels",
        type=FILE,
        metavar="FILE.csv",
        help="labels that go before those of DATA, from a CSV file with key,path,label: the key is "
        "the SHA-256 of an image's bytes, and an image with an empty label is left out",
    )


def read(file: str | None) -> LabelsFile | None:
    """The file of --labels, if there is one."""
    if file is None:
        return None
    from ...datasets.labels_file import read_labels

    return read_labels(file)


def lay_over(
    table: FeatureTable,
    labels: LabelsFile | None,
    *,
    quiet: bool = False,
    keeps_unlabelled: bool = False,
) -> Relabelled | None:
    """Give a table the labels of a file, and say what that changes."""
    if labels is None:
        return None
    from ...extraction.relabelling import relabel

    changes = relabel(table, labels, keeps_unlabelled=keeps_unlabelled)
    if not quiet:
        say(f"{labels.source}: {changes.in_words()}")
    return changes


def answered(changes: Relabelled | None) -> dict[str, Any]:
    """What --json says of a labels file; nothing where there is none."""
    return {} if changes is None else {"labels": changes.as_dict()}
