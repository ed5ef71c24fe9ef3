"""Filling the page: findings as JSON, pictures as data URLs, and a policy that allows no more."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...atomic_file import write_bytes
from ...auditing.finding import DUPLICATE, LABEL, NEXT, OUTLIER
from ...datasets.labels_file import SUGGESTION_COLUMNS, escaped
from ...extraction.prefetch import threads
from ...formatting import counted
from ...hardware import available_cores
from .. import labels_csv
from ..paths_within import within
from ..thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...auditing import Audit
    from ...auditing.finding import Finding
    from ...datasets.labels_file import Decision

MOST_SHOWN = {LABEL: 300, DUPLICATE: 100, OUTLIER: 60, NEXT: 200}
"""Findings of each kind on the page; a labels file has all."""
_MAIN_PX, _EVIDENCE_PX = 320, 150
_QUALITY = 80
_TITLES = {
    LABEL: "Labels that are likely wrong",
    DUPLICATE: "The same image twice",
    OUTLIER: "Unlike the others",
    NEXT: "Label these next",
}


def write_audit_page(
    folder: Path, found: Audit, source: str, earlier: Sequence[Decision] = ()
) -> Path:
    """Write `audit.html` into a folder, which is made; its path.

    Parameters
    ----------
    folder
        Checked by `require_audit_folder`.
    found
        From `audit`.
    source
        The dataset, to which paths are shown relative.
    earlier
        What a labels file decides that was laid over the table: downloads repeat it.

    Raises
    ------
    OSError
        When it cannot be written; the page is then as it was.
    """
    content = page_of(found, source, earlier)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "audit.html"
    write_bytes(page, content)
    return page


def page_of(found: Audit, source: str, earlier: Sequence[Decision] = ()) -> bytes:
    """The page, in UTF-8."""
    shown = {kind: findings[: MOST_SHOWN[kind]] for kind, findings in found.findings.items()}
    every = [each for findings in shown.values() for each in findings]
    kinds = [
        {
            "kind": kind,
            "title": _TITLES[kind],
            "total": len(found.findings[kind]),
            "findings": [_described(found, each, source) for each in findings],
        }
        for kind, findings in shown.items()
        if findings
    ]
    data = {
        "id": _id_of(kinds),
        "title": f"Audit of {escaped(os.path.basename(os.path.abspath(source)))}",  # noqa: PTH100, PTH119 (any bytes)
        "summary": _summary(found),
        "shortcuts": [escaped(each.in_words()) for each in found.shortcuts],
        "columns": SUGGESTION_COLUMNS,
        "kinds": kinds,
        "earlier": [(*each.suggestion[:-1], each.accept) for each in earlier],
        "pictures": _pictures(found, every),
    }
    parts = {name: _read(name) for name in ("page.html", "page.css")}
    scripts = [labels_csv.script(), _read("decisions.js"), _read("page.js")]
    parts["page.js"] = '"use strict";\n' + "\n".join(scripts)
    return _filled(parts, data)


def _id_of(kinds: list[dict[str, Any]]) -> str:
    """What a browser keeps decisions by: of the findings themselves, wherever their files are."""
    about = [
        [each[name] for name in ("kind", "key", "label", "suggested")]
        for kind in kinds
        for each in kind["findings"]
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _summary(found: Audit) -> list[str]:
    table = found.table
    if not found.has_labels:
        return [f"{counted(len(table), 'image')} without labels."]
    share = found.share_in_words()
    lines = [
        f"{counted(len(table), 'image')}, predicted {found.judged.in_words}.",
        f"Of the labels, {share}.",
    ]
    if not found.shortcuts and len(set(table.labels.tolist()) - {""}) > 1:
        lines.append(
            "No property such as brightness, sharpness, size, format or folder tells a class."
        )
    return lines


def _described(found: Audit, each: Finding, source: str) -> dict[str, Any]:
    table, row = found.table, each.row

    def named(rows: tuple[int, ...]) -> list[dict[str, Any]]:
        return [
            {
                "picture": f"{other}s",
                "path": escaped(within(source, table.paths[other])),
                "label": escaped(str(table.labels[other])),
            }
            for other in rows
        ]

    return {
        "key": str(table.keys[row]),
        "path": escaped(table.paths[row]),
        "shown": escaped(within(source, table.paths[row])),
        "picture": f"{row}m",
        "label": escaped(str(table.labels[row])),
        "suggested": escaped(each.suggested),
        "score": f"{found.scores[row]:.4f}",
        "kind": each.kind,
        "split": str(found.split.of_row[row]),
        "reason": each.reason,
        "ofGiven": named(each.of_given),
        "ofSuggested": named(each.of_suggested),
    }


def _pictures(found: Audit, every: list[Finding]) -> dict[str, str]:
    """Data URLs by row and size; none for a file that has gone."""
    wanted = {f"{each.row}m": (each.row, _MAIN_PX) for each in every}
    for each in every:
        for row in (*each.of_given, *each.of_suggested):
            wanted[f"{row}s"] = (row, _EVIDENCE_PX)

    def draw(one: tuple[int, int]) -> str | None:
        pixels = thumbnail(found.table, *one)
        if pixels is None:
            return None
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"

    with threads(available_cores()) as pool:
        drawn = dict(zip(wanted, pool.map(draw, wanted.values()), strict=True))
    return {name: url for name, url in drawn.items() if url is not None}


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


def _filled(parts: dict[str, str], data: dict[str, Any]) -> bytes:
    """The page with its parts; the policy allows style and script by their hash, and no more."""
    style, script = parts["page.css"], parts["page.js"]
    # Within a script element only these could end it, or begin a comment.
    findings = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    values = {
        "policy": html.escape(policy, quote=True).replace("&#x27;", "'"),
        "title": html.escape(data["title"]),
        "style": style,
        "script": script,
        "findings": findings,
    }
    # In one pass: what is filled in is not looked through.
    page = re.sub(r"\{\{ (\w+) \}\}", lambda mark: values[mark[1]], parts["page.html"])
    return page.encode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
