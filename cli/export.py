"""`bottlebank export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from ..reports.output_paths import require_folder_outside
from .command import command, option
from .output import print_json, tell
from .parameters import choices, options
from .parameters.types import FILE, FOLDER, Choice

if TYPE_CHECKING:
    from ..export import Exported


@command(example="bottlebank export --head head.h5 --format onnx --output exported/")
@options.head(required=True)
@option(
    "--format",
    type=Choice(choices.FORMATS),
    required=True,
    help=choices.FORMATS_IN_WORDS,
)
@options.output(
    type=FOLDER,
    required=True,
    metavar="DIR",
    help="a folder for the file or files, labels.txt and MODEL_CARD.md; a new one, or that of an "
    "earlier export, which is replaced",
)
@option(
    "--data",
    type=FILE,
    metavar="DATA",
    default_in_words="the training images, where the cache saw them",
    help="the dataset that the head was trained on, to compare with predict on 100 of its images",
)
@option(
    "--quantize",
    is_flag=True,
    help=f"compute with 8 bits ({', '.join(choices.QUANTIZED_FORMATS)}); --data is needed, to "
    f"measure ranges on training images, and what it costs on validation images",
)
@options.reading()
@options.loading(has_precision=False)
@options.as_json()
def run(
    head: str,
    format: str,
    output: str,
    data: str | None,
    quantize: bool,
    reading: dict[str, Any],
    loading: dict[str, Any],
    json: bool,
) -> int:
    """Write it, and report how it compares."""
    from ..datasets import load_dataset
    from ..export import export_head

    if data is not None:
        require_folder_outside(Path(output), data)
    dataset = None if data is None else load_dataset(data, **reading)
    exported = export_head(head, output, format, data=dataset, quantize=quantize, **loading)
    if json:
        print_json(exported.as_dict())
    else:
        _tell(exported)
    return 0


def _tell(exported: Exported) -> None:
    for file in exported.files:
        tell(f"wrote {exported.output / file.name}: {counted(file.n_bytes, 'byte')}")
    tell(exported.agreement.in_words())
    if exported.cost is not None:
        tell(f"quantized: {exported.cost.in_words()}")
