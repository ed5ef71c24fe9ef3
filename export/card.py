"""The model card: what an export is, how good, and what it takes and gives, for people."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from ..classifier.metrics.intervals import wilson_interval
from ..errors import in_brief
from ..features.images.fit import RESIZE_RULE
from ..formatting import counted, with_interval
from ..training.cross_validation import FINETUNED
from ..untrusted.terminal import shown
from . import labels
from .job import PIXELS, PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..classifier import Head
    from ..features import Recipe
    from .agreement import Agreement
    from .files import WrittenFile
    from .quantization import Cost
    from .registry import Exporter

FILE = "MODEL_CARD.md"

_MARK = "<!-- An export of bottlebank -->"
_SPLITS = ("train", "validation", "test")
_LONGEST_NAME = 120
_ESCAPED = frozenset(string.punctuation) - frozenset(",-'%/")
_FITS = {
    "squash": "width and height are scaled independently",
    "crop": "the largest square in the middle is taken",
    "pad": "it is laid in the middle of grey, 128",
}


def is_card(path: Path) -> bool:
    """Whether a file is a card that `text_of` wrote."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return False


def text_of(
    head: Head,
    recipe: Recipe,
    exporter: Exporter,
    files: Sequence[WrittenFile],
    versions: Mapping[str, str],
    agreement: Agreement,
    cost: Cost | None,
    *,
    takes_many: bool,
) -> str:
    """The card, in Markdown; names that others chose are taken literally.

    Parameters
    ----------
    head, recipe
        What was exported.
    exporter, files, versions
        How, what came out, and the versions of the libraries that took part.
    agreement
        With `predict`.
    cost
        Of quantization; None for an export in float32.
    takes_many
        Whether several images go into a call.
    """
    parts = (
        _title(head, exporter, cost),
        _table(
            ("file", "bytes", "SHA-256"),
            ([f"`{f.name}`", f"{f.n_bytes:,}", f.sha256] for f in files),
        ),
        _contract(recipe, exporter, takes_many, len(head.classes), is_quantized=cost is not None),
        _accuracy(head, cost),
        _classes(head),
        _origin(head, recipe, versions),
        _checked(agreement),
    )
    return "\n\n".join((_MARK, *parts)) + "\n"


def _title(head: Head, exporter: Exporter, cost: Cost | None) -> str:
    numbers = "float32" if cost is None else "quantized to 8 bits"
    return (
        f"# Image classifier with {counted(len(head.classes), 'class', 'classes')}\n\n"
        f"Decoded pixels in, probabilities out: {exporter.title}, {numbers}."
    )


def _contract(
    recipe: Recipe, exporter: Exporter, takes_many: bool, n_classes: int, *, is_quantized: bool
) -> str:
    size_px = recipe.input_size_px
    n = "n" if takes_many else "1"
    sides = "height, width" if exporter.any_size else f"{size_px}, {size_px}"
    rule = _literal(recipe.resize)
    if recipe.resize == RESIZE_RULE:
        rule = f"{RESIZE_RULE}. Of a picture that is not square, {_FITS[recipe.fit]}"
    output = f"Output `{PROBABILITIES}`" if exporter.names_output else "The only output"
    adding = "nearly adding up to 1" if is_quantized else "adding up to 1"
    lines = [
        "## Input and output",
        f"- Input `{PIXELS}`: uint8 ({n}, {sides}, 3), RGB, 0 to 255; upright, without "
        f"transparency.",
        f"- {output}: float32 ({n}, {n_classes}), each row {adding}, in the "
        f"order of `{labels.FILE}`. They are calibrated: logits are divided by a temperature.",
        f"- How pictures are fitted to {size_px}×{size_px}: {rule}. "
        + ("This is in the file." if exporter.any_size else "The caller does this."),
        "- Not in the file: decoding, and the rule that calls a picture *unknown*. Pictures of "
        "anything else get probabilities, too.",
    ]
    return "\n".join((lines[0], "", *lines[1:]))


def _accuracy(head: Head, cost: Cost | None) -> str:
    rows = []
    for split in _SPLITS:
        found = head.training.get(split)
        if not isinstance(found, dict):
            continue
        n_images, accuracy = found.get("images"), found.get("accuracy")
        if isinstance(n_images, int) and isinstance(accuracy, float) and n_images > 0:
            interval = wilson_interval(round(accuracy * n_images), n_images).tolist()
            rows.append([split, f"{n_images:,}", with_interval(accuracy, interval)])
    lines = ["## Accuracy", ""]
    if rows:
        lines.append(_table(("split", "images", "accuracy [95 % interval]"), rows))
        command = "finetune" if FINETUNED in head.training else "train"
        lines += ["", f"Measured with `bottlebank {command}`, before the export."]
    else:
        lines.append("Not known: the head was saved from an estimator.")
    if cost is not None:
        lines += ["", f"**Quantization**: {cost.in_words()}"]
    return "\n".join(lines)


def _classes(head: Head) -> str:
    counts = {}
    for split in _SPLITS:
        found = head.training.get(split)
        per_class = found.get("per_class") if isinstance(found, dict) else None
        if isinstance(per_class, list) and len(per_class) == len(head.classes):
            counts[split] = [f"{n:,}" if type(n) is int else "" for n in per_class]
    rows = (
        [str(number), _literal(name), *(counts[split][number] for split in counts)]
        for number, name in enumerate(head.classes)
    )
    heading = ("output", "class", *(f"images in {split}" for split in counts))
    return f"## Classes\n\n{_table(heading, rows)}"


def _origin(head: Head, recipe: Recipe, versions: Mapping[str, str]) -> str:
    licence = _literal(recipe.licence) if recipe.licence else "not known; ask who published them"
    tuned = head.training.get(FINETUNED)
    base = tuned.get("from_weights") if isinstance(tuned, dict) else None
    made = [
        ("network", f"{_literal(recipe.extractor)} ({_literal(recipe.architecture)})"),
        ("weights", f"{_literal(recipe.weights)}, SHA-256 {_literal(recipe.weights_sha256)}"),
        *(
            [("fine-tuned from", f"the weights {_literal(base)}, whose licence holds")]
            if base
            else []
        ),
        ("licence of the weights", licence),
        ("head", f"{_literal(head.kind)}, version {head.version}, made {_literal(head.created)}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return "## Origin\n\n" + "\n".join(f"- {name}: {words}" for name, words in made)


def _checked(agreement: Agreement) -> str:
    return f"## Checked\n\n{agreement.in_words()}"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _literal(text: Any) -> str:
    """Text of others as one line in which Markdown, HTML and addresses mean nothing."""
    brief = in_brief(shown(str(text)), _LONGEST_NAME)
    return "".join(f"\\{each}" if each in _ESCAPED else each for each in brief)
