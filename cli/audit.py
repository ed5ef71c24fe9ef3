"""`bottlebank audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..formatting import counted
from ..progress import Progress
from ..replaceable import writing, writing_file
from ..reports.output_paths import (
    SUGGESTIONS,
    require_audit_folder,
    require_output,
    require_outside,
)
from .command import command, option
from .output import print_json, report_rejections, say, tell
from .parameters import options
from .parameters.labels import answered, labels_option, lay_over, read
from .parameters.sampling import images_option
from .parameters.seen_by_head import extract_seen_by, require_head_decides
from .parameters.types import FOLDER, WholeNumber

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..auditing import Audit
    from ..datasets.labels_file import Decision
    from ..extraction import FeatureTable

_MOST_SHOWN = 10
"""Findings of each kind in the terminal."""


@command(example="bottlebank audit photos/ --output labels.csv --report audit/")
@options.data(options.UNLABELLED_HELP)
@images_option()
@labels_option()
@options.head(
    default_in_words="heads that are trained on the other images, in 5 folds",
    help="a head file from `bottlebank train` that predicts the images in place of these; one that "
    "was trained on other images; it decides the extractor and how images are fitted",
)
@options.output(
    metavar="LABELS.csv",
    help="write every image with its label, the suggested one and how suspicious it is, the most "
    "suspicious first; write yes into the column accept, and train with --labels LABELS.csv",
)
@option(
    "--report",
    type=FOLDER,
    metavar="DIR",
    help="write a page, audit.html, into this folder, on which suggestions are looked at, accepted "
    "or rejected",
)
@option(
    "--next",
    "n_next",
    type=WholeNumber(0),
    default=0,
    metavar="N",
    help="name the N images without a label that are best labelled next: they are unlike the "
    "others, stand for many, and are uncertain",
)
@option(
    "--include-test",
    is_flag=True,
    help="suggest other labels for images of the test split too, on which figures then no longer "
    "are of the same images and labels",
)
@options.extraction()
@options.seed()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    head: str | None,
    output: str | None,
    report: str | None,
    n_next: int,
    include_test: bool,
    extraction: dict[str, Any],
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Look for what is wrong, and say where it is listed."""
    file = folder = None
    if output is not None:
        file = require_output(output, SUGGESTIONS, [data, labels, head])
        require_outside(file, data)
    if report is not None:
        folder = require_audit_folder(report, data)
    require_head_decides(head, extraction)
    labels_file = read(labels)
    from ..auditing import audit
    from ..datasets import load_dataset

    table, loaded = extract_seen_by(head, load_dataset(data, **reading), extraction)
    table.require_rows()
    changes = lay_over(table, labels_file, keeps_unlabelled=True)
    before, table = table, table if changes is None else changes.table
    earlier = [] if changes is None else changes.earlier
    if file is not None:
        classes = [] if loaded is None else loaded.classes
        _require_no_labels_of_a_person(file, earlier, classes, before, table)
    found = audit(table, loaded, n_next=n_next, include_test=include_test, seed=seed)
    _write(found, file, folder, data, earlier)
    if json:
        about = {"data": data, "output": output, "report": report and str(folder)}
        print_json({**about, **found.as_dict(), **answered(changes)})
    else:
        _tell(found)
        if n_next and not (found.table.labels == "").any():
            say("--next: every image has a label; it names images without one")
        _say_what_to_do(found, data, file, folder)
    return report_rejections(table.rejected, strict)


def _require_no_labels_of_a_person(
    file: Path, earlier: Sequence[Decision], classes: Iterable[str], *tables: FeatureTable
) -> None:
    """Refuse to replace a labels file with labels or words that no audit of the images writes."""
    from ..auditing.finding import KINDS
    from ..datasets.labels_file import has_other_labels

    if not file.exists():
        return
    known = {each.key: {each.label} for each in earlier}
    for table in tables:
        for key, label in zip(map(str, table.keys), table.labels.tolist(), strict=True):
            known.setdefault(key, set()).add(label)
    suggestible = {*classes, *(label for labels in known.values() for label in labels)}
    if has_other_labels(file, known, suggestible, KINDS):
        raise UsageError(
            f"{file} exists and has labels that these images have not, or remarks, so it is not "
            f"overwritten: lay it over them with --labels {file}, and choose another --output"
        )


def _write(
    found: Audit, file: Path | None, folder: Path | None, data: str, earlier: Sequence[Decision]
) -> None:
    from ..atomic_file import write_bytes

    if file is not None:
        with writing_file(file):
            write_bytes(file, found.labels_file(earlier))
    if folder is not None:
        from ..reports.audit_page import write_audit_page

        with Progress("Writing the page"), writing(folder):
            write_audit_page(folder, found, data, earlier)


def _tell(found: Audit) -> None:
    """Each kind with its first findings."""
    table, labels = found.table, found.table.labels.tolist()
    images = counted(len(table), "image")
    if found.judged.classes:
        n_classes = len(set(labels) - {""})
        classes = counted(n_classes, "class", "classes") if n_classes else "no class"
        tell(f"{images} of {classes}, predicted {found.judged.in_words}")
    else:
        tell(f"{images} without labels")
    lines = found.in_words()
    for line, kind in zip(lines, found.kinds_looked_for, strict=False):
        findings = found.findings[kind]
        tell(f"{line}{':' if findings else ''}")
        for each in findings[:_MOST_SHOWN]:
            arrow = f" → {each.suggested}" if each.suggested else ""
            other = f" ({table.paths[each.of_given[0]]})" if kind == "duplicate" else ""
            label = labels[each.row] or "no label"
            in_test = " [test]" if found.split.of_row[each.row] == "test" else ""
            tell(f"  {table.paths[each.row]}{in_test}: {label}{arrow}, {each.reason}{other}")
        if len(findings) > _MOST_SHOWN:
            tell(f"  and {len(findings) - _MOST_SHOWN:,} more")
    if found.has_labels:
        tell(f"{lines[-1]}{':' if found.shortcuts else ''}")
    for shortcut in found.shortcuts[:_MOST_SHOWN]:
        tell(f"  {shortcut.in_words()}")
    if len(found.shortcuts) > _MOST_SHOWN:
        tell(f"  and {len(found.shortcuts) - _MOST_SHOWN:,} more")


def _say_what_to_do(found: Audit, data: str, file: Path | None, folder: Path | None) -> None:
    n_suggested = sum(map(bool, found.suggested))
    if file is not None:
        tell(f"wrote {file}: {counted(len(found.table), 'image')}, {n_suggested:,} suggestions")
    if folder is not None:
        what = "accept or reject them" if n_suggested else "look at them"
        tell(f"wrote {folder / 'audit.html'}: open it to {what}")
    if file is not None and (n_suggested or found.findings["next"]):
        what = "yes into its column accept" if n_suggested else "labels into its column label"
        say(f"write {what}, then: bottlebank train {data} --labels {file}")
    elif file is None and folder is None:
        say("--report DIR shows them side by side, --output LABELS.csv lists every image")
