"""The routes that take images, and the page on which to drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, g, render_template, request, url_for

from ..datasets.folders import EXTENSIONS
from ..features.images.colours import darkness
from ..features.images.formats import formats_in_words
from .admission import needs_key
from .errors import RefusedError, error_body
from .request_context import check_parameters, current_service, deadline, milliseconds, whole_number
from .uploads import Uploads, read_uploads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..features.images.decoder import Kind
    from ..prediction import Predictor, TrainingImages

routes = Blueprint("images", __name__)

MAX_NEIGHBOURS = 50


@routes.post("/predict", strict_slashes=False)
def predict() -> dict[str, Any]:
    """Labels for the images of a request."""
    check_parameters("top", "evidence")
    service = current_service()
    predictor = service.heads.served.predictor
    top = whole_number("top", service.settings.top, len(predictor.classes), "number of classes")
    n_evidence, training_images = 0, None
    if "evidence" in request.args:
        n_evidence = whole_number("evidence", 1, MAX_NEIGHBOURS, "training images")
        training_images = service.training_images(predictor.head)
    uploads, refusals, features, kinds = _transfer_values(predictor)
    said = predictor.predict_features(features)
    entries = []
    for row, unknown in zip(said.probabilities, said.unknown.tolist(), strict=True):
        ranked = predictor.ranked(row, top)
        named = [{"label": label, "probability": probability} for label, probability in ranked]
        entries.append({**named[0], "top": named, "unknown": unknown})
    grey16 = predictor.extractor.recipe.grey16
    for entry, kind in zip(entries, kinds, strict=True):
        note = darkness(kind.brightest, grey16)
        if note is not None:
            entry["note"] = note
    if training_images is not None:
        for entry, near in zip(entries, _near(training_images, features, n_evidence), strict=True):
            entry["evidence"] = near
    answer: dict[str, Any] = {"predictions": _in_place(refusals, entries)}
    if uploads.by_url:
        answer |= {"class": entries[0]["label"], "confidence": entries[0]["probability"]}
    return {**answer, "head": head_of(predictor), "milliseconds": milliseconds()}


@routes.post("/embed")
def embed() -> dict[str, Any]:
    """Transfer values of the images of a request."""
    check_parameters()
    predictor = current_service().heads.served.predictor
    _, refusals, features, _ = _transfer_values(predictor)
    recipe = predictor.extractor.recipe
    return {
        "embeddings": _in_place(refusals, [{"features": row} for row in features.tolist()]),
        "extractor": {
            "name": recipe.extractor,
            "width": recipe.width,
            "fingerprint": recipe.fingerprint,
            "precision": predictor.precision,
        },
        "milliseconds": milliseconds(),
    }


@routes.post("/similar")
def similar() -> dict[str, Any]:
    """The training images that are nearest to the images of a request."""
    check_parameters("top")
    predictor = current_service().heads.served.predictor
    n_nearest = whole_number(
        "top", current_service().settings.top, MAX_NEIGHBOURS, "training images"
    )
    training_images = current_service().training_images(predictor.head)
    _, refusals, features, _ = _transfer_values(predictor)
    near = [{"neighbours": some} for some in _near(training_images, features, n_nearest)]
    return {
        "similar": _in_place(refusals, near),
        "head": head_of(predictor),
        "milliseconds": milliseconds(),
    }


@routes.get("/")
def page() -> str:
    """The web page on which a person drops an image."""
    predictor = current_service().heads.served.predictor
    # Names of folders that are not UTF-8 hold lone surrogates, which no page can.
    classes = [name.encode("utf-8", "replace").decode() for name in predictor.classes]
    return render_template(
        "index.html",
        # The page is open to everyone, and the names of the classes may not be.
        classes=[] if needs_key() else classes,
        n_classes=len(classes),
        needs_key=needs_key(),
        head=head_of(predictor),
        formats=formats_in_words(),
        # Browsers and systems differ in which of these they know for images.
        endings=",".join(sorted(EXTENSIONS)),
        max_body_bytes=current_service().settings.max_body_bytes,
        predict_address=url_for("images.predict", _external=True),
    )


def head_of(predictor: Predictor) -> dict[str, str]:
    """The head of an answer; also noted for the log."""
    g.head = predictor.version
    return {"version": predictor.version, "extractor": predictor.extractor_name}


def _transfer_values(
    predictor: Predictor,
) -> tuple[Uploads, list[RefusedError | None], np.ndarray, list[Kind]]:
    """The uploads; why each is refused; features, (n, width), and kinds of the others."""
    service = current_service()
    until = deadline()
    uploads = read_uploads(request, service.settings, service.fetcher.fetch)
    g.head, g.n_images = predictor.version, len(uploads.files)
    refusals, features, kinds = service.inference(uploads.files, until)
    refused = [refusal for refusal in refusals if refusal is not None]
    if len(refused) == len(refusals):
        raise refused[0]
    for refusal in refused:
        service.metrics.rejected.labels(refusal.code).inc()
    return uploads, refusals, features, kinds


def _in_place(
    refusals: Sequence[RefusedError | None], entries: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Entries in the order of the request, with an error where an image was refused."""
    remaining = iter(entries)
    return [
        next(remaining) if refusal is None else error_body(refusal.code, refusal.message)
        for refusal in refusals
    ]


def _near(
    training_images: TrainingImages, features: np.ndarray, n_nearest: int
) -> list[list[dict[str, Any]]]:
    return [
        [neighbour._asdict() for neighbour in neighbours]
        for neighbours in training_images.nearest(features, n_nearest)
    ]
