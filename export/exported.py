"""Exporting a head: written, compared with `predict`, described, and only then put in place."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import require_timeout
from ..cache import CacheFolder
from ..classifier.given_head import as_head
from ..datasets import as_dataset
from ..datasets.unlabelled import require_labels
from ..errors import ParameterError
from ..features.engines.conversion import require_same
from ..features.engines.network import Network
from ..features.recipe import described_backbone
from ..prediction import load_predictor
from ..prediction.head_extractor import read_recipe, weights_finder
from ..progress import Progress
from ..replaceable import writing
from ..reports.placed_folder import placed
from ..training import extract_for_head
from . import card, labels
from .agreement import Agreement, compare
from .files import WrittenFile, files_in
from .folder import require_export_folder
from .images import images_for
from .job import Job
from .process import write
from .quantization import Cost, cost_of
from .registry import (
    find_exporter,
    require_exportable,
    require_quantizable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier.given_head import HeadLike
    from ..datasets import Dataset
    from .registry import Exporter


class Exported(NamedTuple):
    """What was written, and how it compares with `predict`."""

    output: Path
    """The folder."""
    format: str
    files: Sequence[WrittenFile]
    """Of the network, without the labels and the card."""
    classes: tuple[str, ...]
    agreement: Agreement
    cost: Cost | None
    """Of quantization; None for an export in float32."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "output": str(self.output),
            "format": self.format,
            "files": [
                {"name": file.name, "bytes": file.n_bytes, "sha256": file.sha256}
                for file in self.files
            ],
            "classes": list(self.classes),
            **self.agreement.as_dict(),
            "quantization": None if self.cost is None else self.cost.as_dict(),
        }


def export_head(
    head: HeadLike,
    output: str | os.PathLike[str],
    format: str = "onnx",
    *,
    data: Dataset | str | os.PathLike[str] | None = None,
    quantize: bool = False,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    parity: str = "refuse",
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> Exported:
    """Write a head with its extractor in the format of another program.

    What is written takes decoded pixels, uint8 (n, height, width, 3), RGB, and gives calibrated
    probabilities, float32 (n, n_classes). It is opened in a process of its own, by the format's own
    runtime, and compared with `load_predictor`; only then it is put in place, beside ``labels.txt``
    and ``MODEL_CARD.md``.

    Parameters
    ----------
    head
        A head file, or what `train_head` or `load_head` returns.
    output
        A folder: a new one, or that of an earlier export, which is replaced.
    format
        ``keras``, ``savedmodel``, ``litert``, ``onnx`` or ``openvino``.
    data
        Images to compare on, beside the synthetic ones; the dataset that the head was trained on.
        By default, its training images where the cache saw them.
    quantize
        Whether the network computes with 8 bits (``litert`` and ``openvino``): ranges are measured
        on the training images of `data`, and the accuracy that it costs on its validation images.
    cache, extractor, weights, engine, parity, download_timeout_s
        As in `load_predictor`; `engine` computes what the export is compared with, in float32.
    progress
        Show on stderr what goes on: as in `extract`.

    Returns
    -------
    Exported
        What was written, with the greatest difference that was found.

    Raises
    ------
    UsageError
        When the format is unknown or cannot hold this network, or something else is at `output`.
    LibraryNotFoundError
        When a library is missing, with what to install.
    ExportError
        When it cannot be converted, or a probability differs by more than 0.001 in float32.
    HeadFileError, HeadMismatchError, WeightsNotFoundError, EngineError
        As `load_predictor`.

    Examples
    --------
    >>> bb.export_head("head.h5", "exported/", "onnx")  # doctest: +SKIP
    """
    exporter = find_exporter(format)
    if quantize:
        require_quantizable(format)
        if data is None:
            raise ParameterError(
                "data",
                "is missing: quantization measures ranges on the images that the head was trained "
                "on; name their dataset",
            )
    path = require_export_folder(output)
    exporter.require_installed(quantize=quantize)
    download_timeout_s = require_timeout("download_timeout_s", download_timeout_s)
    loaded = as_head(head)
    source = head if isinstance(head, (str, os.PathLike)) else f"the head {loaded.version}"
    recipe = read_recipe(loaded, source)
    require_exportable(format, described_backbone(recipe))
    dataset = None if data is None else as_dataset(data)
    if quantize and dataset is not None:
        require_labels(dataset.labels, dataset.source)  # by which its cost is measured
    common = {"cache": cache, "extractor": extractor, "weights": weights, "parity": parity}
    predictor = load_predictor(
        head, engine=engine, precision="float32", download_timeout_s=download_timeout_s, **common
    )
    table = None
    if dataset is not None:
        table, _ = extract_for_head(dataset, head, progress=progress, **common)
        table.require_rows()
    with Progress("Reading images", show=progress):
        images = images_for(predictor, table, cache, quantize=quantize)
    versions = _versions(exporter, (exporter.quantizes_with or ()) if quantize else ())
    with placed(path) as made, tempfile.TemporaryDirectory(prefix="bottlebank-") as scratch:
        job = Job(
            Path(scratch),
            recipe,
            None,
            loaded.layers.divided_by(loaded.temperature),
            loaded.classes,
            {"labels": json.dumps(loaded.classes), "head": loaded.version},
        )
        with (
            CacheFolder(cache, waits=False) as folder,
            Network(
                recipe,
                weights_finder(recipe, folder, source, extractor, weights, download_timeout_s),
                folder.networks,
                progress,
            ) as network,
            Progress(f"Writing {exporter.title}", show=progress),
        ):
            job = job.with_network(exporter.form, network)
            if quantize:
                job.keep_calibration(images.calibrating)
            job.save()
            takes_many = write(format, job, made)
            if job.weights is not None:
                require_same(recipe, job.weights)
        with Progress("Comparing it with predict", show=progress):
            agreement = compare(
                format,
                made,
                predictor,
                images.compared,
                images.pictures if exporter.any_size else (),
                takes_many=takes_many,
                exactly=not quantize,
            )
            cost = None
            if quantize:
                n_calibrating = len(images.calibrating)
                judged = (images.judged, images.judged_labels)
                cost = cost_of(format, made, predictor, *judged, n_calibrating)
        files = files_in(made)
        text = card.text_of(
            loaded,
            recipe,
            exporter,
            files,
            versions,
            agreement,
            cost,
            takes_many=takes_many,
        )
        with writing(path):
            (made / labels.FILE).write_text(labels.text_of(loaded.classes), encoding="utf-8")
            (made / card.FILE).write_text(text, encoding="utf-8")
    return Exported(Path(output), format, files, loaded.classes, agreement, cost)


def _versions(exporter: Exporter, libraries: Sequence[str]) -> dict[str, str]:
    """Of bottlebank, and of the libraries that an export is made and run with."""
    found = {}
    for package in ("bottlebank", *exporter.packages, *libraries):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
