"""The routes: parse, predict, format."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, render_template, request, url_for

from .answers import predictions
from .refusals import RefusedError
from .uploads import read_uploads

if TYPE_CHECKING:
    from ..pipeline.predictor import Predictor
    from .settings import Settings

PREDICTOR = "bottlebank.predictor"
SETTINGS = "bottlebank.settings"
"""Where `app.extensions` holds what the routes answer with."""

routes = Blueprint("service", __name__)


@routes.post("/predict", strict_slashes=False)
def predict() -> dict[str, Any]:
    """Labels for the images of a request."""
    started = time.perf_counter()
    predictor, settings = _predictor(), _settings()
    top = _top(request.args.get("top"), len(predictor.classes), settings.top)
    uploads = read_uploads(request, settings.max_images)
    return {
        "predictions": predictions(predictor, uploads, top),
        "head": _head(predictor),
        "milliseconds": round(1000 * (time.perf_counter() - started), 1),
    }


@routes.get("/healthz")
def healthz() -> dict[str, Any]:
    """That the service answers, and with what."""
    predictor = _predictor()
    return {
        "status": "ok",
        "head": _head(predictor),
        "engine": predictor.engine,
        "precision": predictor.precision,
        "classes": len(predictor.classes),
    }


@routes.get("/")
def page() -> str:
    """The web page on which a person drops an image."""
    predictor = _predictor()
    return render_template(
        "index.html",
        # Names of folders that are not UTF-8 hold lone surrogates, which no page can.
        classes=[name.encode("utf-8", "replace").decode() for name in predictor.classes],
        head=_head(predictor),
        max_body_bytes=_settings().max_body_bytes,
        predict_address=url_for("service.predict", _external=True),
    )


def _predictor() -> Predictor:
    """The predictor, taken once a request: one answer never mixes two heads."""
    return current_app.extensions[PREDICTOR]


def _settings() -> Settings:
    return current_app.extensions[SETTINGS]


def _head(predictor: Predictor) -> dict[str, str]:
    return {"version": predictor.version, "extractor": predictor.extractor_name}


def _top(text: str | None, n_classes: int, default: int) -> int:
    if text is None:
        return min(default, n_classes)
    if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= n_classes:
        return int(text)
    raise RefusedError(
        "invalid_top",
        f"top: expected a whole number from 1 to {n_classes} (the number of classes), "
        f"received {text[:20]!r}",
    )
