"""The routes for those who run a service: is it well, what does it count, which head answers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from .errors import RefusedError
from .metrics import CONTENT_TYPE
from .request_context import current_service
from .routes import head_of
from .uploads import json_object

admin = Blueprint("admin", __name__)

_MOST_BYTES = 64 << 10


@admin.get("/healthz")
def healthz() -> dict[str, Any]:
    """That the service answers, and with what."""
    predictor = current_service().heads.served.predictor
    return {
        "status": "ok",
        "head": head_of(predictor),
        "engine": predictor.engine,
        "precision": predictor.precision,
        "classes": len(predictor.classes),
    }


@admin.get("/readyz")
def readyz() -> dict[str, Any]:
    """Whether requests are wanted: not any more, once the service has been told to end."""
    if not current_service().ready:
        raise RefusedError("stopping", "the server is about to end", status=503)
    return {"status": "ready"}


@admin.get("/metrics")
def metrics() -> Response:
    """Everything that is counted, for Prometheus."""
    return Response(current_service().metrics.text(), content_type=CONTENT_TYPE)


@admin.get("/heads")
def heads() -> dict[str, Any]:
    """The heads of the folder, and which of them answers."""
    return {"heads": current_service().heads.describe()}


@admin.post("/heads/activate")
def activate() -> dict[str, Any]:
    """Have another head of the folder answer: `{"name": "head.h5"}`."""
    _require_json()
    asked = json_object(request, _MOST_BYTES, '{"name": "head.h5"}')
    name = asked.get("name")
    if not isinstance(name, str):
        raise RefusedError("no_name", 'expected {"name": "head.h5"}; GET /heads lists the names')
    served = current_service().heads.activate(name)
    return {"name": served.name, "head": head_of(served.predictor)}


@admin.post("/heads/rollback")
def roll_back() -> dict[str, Any]:
    """Have the head answer that did before."""
    _require_json()
    served = current_service().heads.roll_back()
    return {"name": served.name, "head": head_of(served.predictor)}


def _require_json() -> None:
    """A page of another site can send forms and text, but not this type, without being asked."""
    if request.mimetype != "application/json":
        raise RefusedError(
            "unsupported_content_type",
            "expected a body of type application/json (for /heads/rollback, {} will do): "
            "curl --json '{}'",
            status=415,
        )
