"""Routes for operators: health, metrics and heads."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from .errors import RefusedError
from .metrics import CONTENT_TYPE
from .request_context import current_service
from .routes import head_of
from .uploads import json_object

admin = Blueprint("admin", __name__)

_MAX_BYTES = 64 << 10


@admin.get("/healthz")
def healthz() -> dict[str, Any]:
    """That the service answers, and by which head."""
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
    """Whether requests are accepted: not once the service is shutting down."""
    if not current_service().ready:
        raise RefusedError("stopping", "the server is shutting down", status=503)
    return {"status": "ready"}


@admin.get("/metrics")
def metrics() -> Response:
    """Metrics for Prometheus."""
    return Response(current_service().metrics.text(), content_type=CONTENT_TYPE)


@admin.get("/heads")
def heads() -> dict[str, Any]:
    """The heads of the folder, and which of them answers."""
    return {"heads": current_service().heads.describe()}


@admin.post("/heads/activate")
def activate() -> dict[str, Any]:
    """Switch to another head of the folder: `{"name": "head.h5"}`."""
    _require_json()
    payload = json_object(request, _MAX_BYTES, '{"name": "head.h5"}')
    name = payload.get("name")
    if not isinstance(name, str):
        raise RefusedError("no_name", 'expected {"name": "head.h5"}; GET /heads lists the names')
    served = current_service().heads.activate(name)
    return {"name": served.name, "head": head_of(served.predictor)}


@admin.post("/heads/rollback")
def roll_back() -> dict[str, Any]:
    """Switch back to the previous head."""
    _require_json()
    served = current_service().heads.roll_back()
    return {"name": served.name, "head": head_of(served.predictor)}


def _require_json() -> None:
    """A page of another site can send forms and text, but not this type without a preflight."""
    if request.mimetype != "application/json":
        raise RefusedError(
            "unsupported_content_type",
            "expected a body of type application/json (for /heads/rollback, {} will do): "
            "curl --json '{}'",
            status=415,
        )
