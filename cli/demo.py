"""`bottlebank demo`: the whole program once, on data that needs no download."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from ..reports.output_paths import PICTURE, require_folder, require_output, writing
from . import choices, options
from .command import command
from .output import (
    Stopwatch,
    invocation,
    percent,
    print_json,
    say,
    tell,
)
from .parameter_types import FOLDER

if TYPE_CHECKING:
    from ..extraction import FeatureTable

_DOWNLOAD_TIMEOUT_S = 20
_TRAINED = "mobilenet_v2"
_UNTRAINED = "random"


@command(example="bottlebank demo")
@options.output(
    type=FOLDER,
    default="bottlebank-demo",
    default_in_words="./bottlebank-demo",
    metavar="DIR",
    help="folder for everything the demo makes, its cache included",
)
@options.extractor(
    default_in_words=f"{_TRAINED} where its ImageNet weights are found or can be downloaded, else "
    f"{_UNTRAINED}",
    help="the frozen network",
)
@options.engine(part_of="extraction")
@options.precision(part_of="extraction")
# Not from BOTTLEBANK_CACHE: that is where a person's own photographs are.
@options.cache(
    shared=False,
    part_of="extraction",
    default_in_words="the folder cache in --output",
    help="where transfer values are kept",
)
@options.seed()
@options.as_json()
def run(output: str, extraction: dict[str, Any], seed: int, json: bool) -> int:
    """Run every step, report how long each took, and leave the results in a folder."""
    folder = require_folder(output)
    maps = [f"map-{method}" for method in choices.METHODS]
    for name in ("confusion-matrix", "transfer-values", *maps):
        require_output(folder / f"{name}.png", PICTURE)
    with writing(folder):
        return _run(folder, extraction, seed, json)


def _run(output: Path, extraction: dict[str, Any], seed: int, json: bool) -> int:
    seconds = Stopwatch()
    steps = _Steps(quiet=json)
    from ..datasets import load_dataset
    from ..datasets.digits import write_digits
    from ..prediction import load_predictor
    from ..reports import write_report
    from ..training import evaluate_head, save_head, train_head
    from ..viz import (
        draw_confusion_matrix,
        draw_map,
        draw_transfer_values,
        reduce,
    )

    n_written = write_digits(output / "digits")
    dataset = load_dataset(output / "digits")
    steps.done(
        f"data: {counted(len(dataset), 'picture')} of handwritten digits ({n_written} written now)"
    )

    table, note = _extract(dataset, extraction, output)
    report = table.report
    steps.done(
        f"extract: {counted(report.images, 'image')}, {report.cached} cached, {report.extracted} "
        f"extracted, {counted(report.duplicates, 'duplicate')} ({report.extractor}, "
        f"{report.width} numbers per image, {report.engine} in {report.precision})"
    )
    if note:
        steps.remark(note)

    trained = train_head(table, seed=seed)
    head_path = output / "head.h5"
    save_head(trained, head_path)
    steps.done(f"train: {trained.head.kind} head → {head_path}")

    split, found = evaluate_head(trained.head, table)
    matrix_path = output / "confusion-matrix.png"
    draw_confusion_matrix(found.confusion_matrix, found.classes, matrix_path, f"digits, {split}")
    steps.done(
        f"evaluate: accuracy {percent(found.accuracy)} on {found.images} {split} images that it "
        f"has not seen → {matrix_path}"
    )

    page = write_report(output / "report", trained.head, table)[0]
    steps.done(f"report: {page}")

    maps = []
    for method in choices.METHODS:
        map_path = output / f"map-{method}.png"
        embedding = reduce(table.features, method, random_state=seed)
        draw_map(embedding, table.labels.tolist(), map_path, f"digits ({report.extractor})")
        maps.append(str(map_path))
        steps.done(f"map: {method} → {map_path}")

    cache = report.cache
    predictor = load_predictor(
        head_path, cache=cache, engine=extraction["engine"], precision=report.precision
    )
    position = int(trained.split.rows("test")[0])
    image = table.paths[position]
    pixels = predictor.decode_and_resize(Path(image).read_bytes())
    label, probability = predictor.ranked(predictor.probabilities(pixels[None])[0])[0]
    values_path = output / "transfer-values.png"
    draw_transfer_values(table.features[position], values_path, f"{image}", image=pixels)
    steps.done(f"predict: {image}: {label} ({percent(probability)}) → {values_path}")

    serve = shlex.join([*invocation(), "serve", "--head", str(head_path), "--cache", cache])
    if json:
        print_json(
            {
                "output": str(output),
                "head": str(head_path),
                "maps": maps,
                "confusion_matrix": str(matrix_path),
                "report": str(page),
                "extractor": report.extractor,
                "trained_weights": report.extractor != _UNTRAINED,
                "images": report.images,
                "cached": report.cached,
                "extracted": report.extracted,
                "duplicates": report.duplicates,
                "rejected": report.rejected,
                split: {"images": found.images, "accuracy": found.accuracy},
                "prediction": {"path": image, "label": label, "probability": probability},
                "serve": serve,
                "seconds": seconds(),
            }
        )
    else:
        tell(
            "",
            f"All of it is in {output}/ ({seconds():.1f} s). Serve the head with:",
            "",
            f"  {serve}",
            "",
        )
    return 0


def _extract(dataset: Any, extraction: dict[str, Any], output: Path) -> tuple[FeatureTable, str]:
    from ..errors import WeightsNotFoundError
    from ..extraction import extract

    settings = {**extraction, "cache": extraction["cache"] or output / "cache"}
    extractor = settings.pop("extractor")
    if extractor is not None:
        return extract(dataset, extractor, **settings), ""
    try:
        table = extract(dataset, _TRAINED, download_timeout_s=_DOWNLOAD_TIMEOUT_S, **settings)
    except WeightsNotFoundError:
        note = (
            f"NOTE: the ImageNet weights of {_TRAINED} are not on this machine and could not be "
            f"downloaded.\n      The network used here, {_UNTRAINED!r}, has random weights and has "
            f"learned nothing: it shows\n      how the program works, not how good trained "
            f"transfer values are. Run the demo again with\n      a network connection, or with "
            f"KERAS_HOME set to a folder that has the weights."
        )
        return extract(dataset, _UNTRAINED, **settings), note
    return table, ""


class _Steps:
    """Prints what was done and how long it took; on stderr where stdout is JSON's."""

    def __init__(self, quiet: bool) -> None:
        self._print = say if quiet else tell
        self._watch = Stopwatch()

    def done(self, text: str) -> None:
        """One step is done."""
        self._print(f"[{self._watch():5.1f} s] {text}")
        self._watch = Stopwatch()

    def remark(self, text: str) -> None:
        """Something that must not be missed."""
        self._print("", *text.splitlines(), "")
