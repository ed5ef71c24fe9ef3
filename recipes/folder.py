"""The folder of a recipe: the names in it, and what may be replaced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..atomic_file import write_bytes
from ..export.folder import require_export_folder
from ..reports.output_paths import HEAD, PICTURE, SUMMARY, require_output, require_report_folder
from ..reports.training_curves import require_curves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD_FILE, REPORT, CURVES_FILE, SUMMARY_FILE = (
    "head.h5",
    "report",
    "precision-recall.png",
    "summary.json",
)
FINETUNED, EXPORTED = "finetuned", "exported"


def require_recipe_folder(
    folder: Path, data: str, *, has_head: bool, finetunes: bool, exports: bool
) -> None:
    """Refuse a folder in which something else has one of the names that would be written.

    Parameters
    ----------
    folder, data
        Where everything is written, and the dataset, outside which that has to be.
    has_head, finetunes, exports
        What the recipe makes.

    Raises
    ------
    UsageError
        When a file of others would be replaced, or the folder cannot be written.
    """
    require_report_folder(folder, data)
    require_output(folder / SUMMARY_FILE, SUMMARY)
    require_output(folder / CURVES_FILE, PICTURE)
    if has_head:
        require_output(folder / HEAD_FILE, HEAD)
        require_report_folder(folder / REPORT, data)
    if finetunes:
        require_output(folder / FINETUNED / HEAD_FILE, HEAD)
        require_curves(folder / FINETUNED, data)
    if exports:
        require_export_folder(folder / EXPORTED)


def write_summary(folder: Path, answer: Mapping[str, Any]) -> None:
    """Write the figures; text that UTF-8 cannot hold is escaped, as everything beyond ASCII."""
    write_bytes(folder / SUMMARY_FILE, (json.dumps(answer, indent=2) + "\n").encode())
