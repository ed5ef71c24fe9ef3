"""The whole program once, on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..classifier.registry import HEADS
from ..datasets import load_dataset
from ..datasets.digits import write_digits
from ..extraction import extract
from ..features.backbones.registry import INSTALLED_EXTRACTOR
from ..formatting import counted, percent
from ..prediction import load_predictor
from ..training import evaluate_head, save_head, train_head
from ..viz import draw_confusion_matrix, draw_transfer_values
from ..viz.map_methods import METHODS
from .dataset_map import plot
from .evaluation_report import write_report
from .steps import Steps
from .strangers import STRANGERS, write_strangers
from .thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..classifier.metrics.evaluation import Evaluation
    from ..extraction.feature_table import Report
    from ..prediction import Prediction, Predictor

_VALUES_PX = 224


@dataclass(frozen=True)
class Demo:
    """What was done, and where it lies."""

    head: Path
    extraction: Report
    split: str
    """Of which `evaluation` is."""
    evaluation: Evaluation
    confusion_matrix: Path
    report: Path
    maps: list[Path]
    prediction: Prediction
    """Of a digit that was kept back."""
    strangers: list[Prediction]
    """Of pictures that are not digits."""
    transfer_values: Path
    """The picture of those of the digit."""


def run_demo(
    folder: Path,
    say: Callable[[str], None],
    *,
    extractor: str = INSTALLED_EXTRACTOR,
    seed: int = 0,
    **extraction: Any,
) -> Demo:
    """Write pictures, extract, train, evaluate, report, draw maps and predict, all in one folder.

    Parameters
    ----------
    folder
        Where everything is written.
    say
        Called with what was done, after each step: a line, and sometimes more below it.
    extractor, **extraction
        As in `extract`; the cache is in `folder` where none is named.
    seed
        Of the head, and of the maps.
    """
    step = Steps(say)
    with step("Writing the pictures") as done:
        n_written = write_digits(folder / "digits")
        dataset = load_dataset(folder / "digits")
        pictures = counted(len(dataset), "picture")
        done(f"data: {pictures} of handwritten digits ({n_written:,} written now)")

    with step("Extracting") as done:
        settings = {**extraction, "cache": extraction.get("cache") or folder / "cache"}
        table = extract(dataset, extractor, **settings)
        report = table.report
        done(
            f"extract: {counted(report.images, 'image')}, {report.cached} cached, "
            f"{report.extracted} extracted, {counted(report.duplicates, 'duplicate')} "
            f"({report.extractor}, {report.width} numbers per image, {report.engine} in "
            f"{report.precision})"
        )

    with step("Training a head") as done:
        trained = train_head(table, seed=seed)
        head = folder / "head.h5"
        save_head(trained, head)
        done(f"train: {HEADS[trained.head.kind].in_words} head → {head}")

    with step("Evaluating the head") as done:
        split, found = evaluate_head(trained.head, table)
        matrix = folder / "confusion-matrix.png"
        draw_confusion_matrix(found.confusion_matrix, found.classes, matrix, f"digits, {split}")
        done(
            f"evaluate: accuracy {percent(found.accuracy)} on {found.images} {split} images that "
            f"it has not seen → {matrix}"
        )

    with step("Writing the report") as done:
        page = write_report(folder / "report", trained.head, table)[0]
        done(f"report: which classes are confused, and would more images help? → {page}")

    maps: list[Path] = []
    for method in METHODS:
        with step(f"Drawing the {method} map") as done:
            output = folder / f"map-{method}.png"
            title = f"digits ({report.extractor})"
            plot(table, output, method=method, random_state=seed, title=title, thumbnails=True)
            maps.append(output)
            done(f"map: {method} → {output}")

    with step("Predicting") as done:
        predictor = load_predictor(
            head,
            cache=report.cache,
            engine=settings.get("engine", "auto"),
            precision=report.precision,
        )
        row = int(trained.split.rows("test")[0])
        [prediction] = predictor.predict_files([table.paths[row]])
        values = folder / "transfer-values.png"
        pixels = thumbnail(table, row, _VALUES_PX)
        draw_transfer_values(table.features[row], values, table.paths[row], image=pixels)
        done(f"predict: {prediction.path}: {_first(prediction)} → {values}")

    with step("Predicting what is not a digit") as done:
        strangers = _predict_strangers(predictor, folder / "strangers")
        unknown = sum(each.unknown for each in strangers)
        done(
            f"strangers: {len(strangers)} pictures that are not digits, of which the head calls "
            f"{unknown} unknown → {folder / 'strangers'}",
            *(
                f"{words:<26} {'unknown' if each.unknown else _first(each)}"
                for words, each in zip(STRANGERS.values(), strangers, strict=True)
            ),
        )
    return Demo(
        head=head,
        extraction=report,
        split=split,
        evaluation=found,
        confusion_matrix=matrix,
        report=page,
        maps=maps,
        prediction=prediction,
        strangers=strangers,
        transfer_values=values,
    )


def _predict_strangers(predictor: Predictor, folder: Path) -> list[Prediction]:
    return list(predictor.predict_files(map(str, write_strangers(folder))))


def _first(prediction: Prediction) -> str:
    return f"{prediction.label} ({percent(prediction.probability or 0.0)})"
