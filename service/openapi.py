"""What the service says about itself: its OpenAPI description, and a page that shows it."""

from __future__ import annotations

import functools
import importlib.resources
from typing import TYPE_CHECKING, Any

from apispec import APISpec
from flask import Blueprint, current_app, render_template, send_from_directory

from .. import __version__
from ..figures import counted
from .request_context import current_service
from .routes import MOST_NEIGHBOURS

if TYPE_CHECKING:
    from flask import Response

openapi = Blueprint("openapi", __name__)


@openapi.get("/openapi.json")
def description() -> dict[str, Any]:
    """The OpenAPI description of this service."""
    settings = current_service().settings
    return _described(settings.max_images, settings.max_body_bytes)


@functools.lru_cache(maxsize=1)  # it takes longer to make than most requests take to answer
def _described(max_images: int, max_body_bytes: int) -> dict[str, Any]:
    return _describe(max_images, max_body_bytes).to_dict()


@openapi.get("/docs")
def docs() -> str:
    """The description as a page on which every route can be tried."""
    return render_template("docs.html")


@openapi.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
def docs_file(name: str) -> Response:
    """A part of that page; nothing is loaded from elsewhere."""
    folder = importlib.resources.files("flask_swagger_ui") / "dist"
    return send_from_directory(
        str(folder), name, max_age=current_app.config["SEND_FILE_MAX_AGE_DEFAULT"]
    )


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_HEAD = _object({"version": _TEXT, "extractor": _TEXT})
_LABELLED = _object({"label": _TEXT, "probability": _SHARE})

_SCHEMAS = {
    "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT})}),
    "Head": _HEAD,
    "Neighbour": _object(
        {
            "label": _TEXT,
            "similarity": {"type": "number", "minimum": -1.001, "maximum": 1},
            "file": _TEXT,
            "key": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
    ),
    "Prediction": _object(
        {
            "label": _TEXT,
            "probability": _SHARE,
            "top": _list(_LABELLED, minItems=1),
            "unknown": {"type": "boolean"},
        },
        note=_TEXT,
        evidence=_list(_ref("Neighbour")),
    ),
    "Predictions": _object(
        {
            "predictions": _list({"oneOf": [_ref("Prediction"), _ref("Error")]}, minItems=1),
            "head": _ref("Head"),
            "milliseconds": _NUMBER,
        },
        **{"class": _TEXT, "confidence": _SHARE},
    ),
    "Embedding": _object({"features": _list(_NUMBER)}),
    "Embeddings": _object(
        {
            "embeddings": _list({"oneOf": [_ref("Embedding"), _ref("Error")]}, minItems=1),
            "extractor": _object(
                {"name": _TEXT, "width": _COUNT, "fingerprint": _TEXT, "precision": _TEXT}
            ),
            "milliseconds": _NUMBER,
        }
    ),
    "Neighbours": _object({"neighbours": _list(_ref("Neighbour"))}),
    "Similar": _object(
        {
            "similar": _list({"oneOf": [_ref("Neighbours"), _ref("Error")]}, minItems=1),
            "head": _ref("Head"),
            "milliseconds": _NUMBER,
        }
    ),
    "Tags": _object({"tags": _list(_list(_TEXT, minItems=1, maxItems=2))}),
    "Heads": _object(
        {
            "heads": _list(
                _object(
                    {
                        "name": _TEXT,
                        "status": {
                            "type": "string",
                            "enum": ["active", "previous", "available", "refused"],
                        },
                    },
                    version=_TEXT,
                    classes=_COUNT,
                    error=_TEXT,
                )
            )
        }
    ),
    "Activated": _object({"name": _TEXT, "head": _ref("Head")}),
    "Health": _object(
        {
            "status": {"type": "string", "enum": ["ok"]},
            "head": _ref("Head"),
            "engine": _TEXT,
            "precision": _TEXT,
            "classes": _COUNT,
        }
    ),
    "Ready": _object({"status": {"type": "string", "enum": ["ready"]}}),
}


def _describe(max_images: int, max_body_bytes: int) -> APISpec:
    spec = APISpec(
        title="bottlebank",
        version=__version__,
        openapi_version="3.0.3",
        info={
            "description": "Labels, transfer values and nearest training images for photographs. "
            f"A request has at most {counted(max_images, 'image')}, of {max_body_bytes:,} bytes "
            f"together."
        },
    )
    for name, schema in _SCHEMAS.items():
        spec.components.schema(name, schema)
    images = _images(max_images)
    top = _parameter("top", "How many classes are named.", 1_000_000)
    nearest = _parameter("top", "How many training images are named.", MOST_NEIGHBOURS)
    evidence = _parameter(
        "evidence",
        "Name so many of the nearest training images behind each answer.",
        MOST_NEIGHBOURS,
    )
    base64 = _list(
        {"type": "string", "format": "byte", "description": "A JPEG or PNG file."},
        maxItems=max_images,
    )
    operations: dict[str, dict[str, Any]] = {
        "/predict": _post("Labels for images", "Predictions", images, [top, evidence]),
        "/embed": _post("Transfer values of images", "Embeddings", images),
        "/similar": _post("Nearest training images", "Similar", images, [nearest]),
        "/classify": _post("Tags for images", "Tags", _json(_object({"images": base64}))),
        "/heads": _get("Heads of the folder", "Heads"),
        "/heads/activate": _post(
            "Have another head answer", "Activated", _json(_object({"name": _TEXT}))
        ),
        "/heads/rollback": _post(
            "Have the head answer that did before",
            "Activated",
            _json({"type": "object"}),
        ),
        "/healthz": _get("Is the service well?", "Health"),
        "/readyz": _get("Are requests wanted?", "Ready"),
        "/metrics": {
            "get": _operation("Counters for Prometheus", {"text/plain": {"schema": _TEXT}})
        },
    }
    for path, methods in operations.items():
        spec.path(path, operations=methods)
    return spec


def _images(max_images: int) -> dict[str, Any]:
    """The forms in which images are taken."""
    file = {"type": "string", "format": "binary"}
    encoded = {"type": "string", "format": "byte"}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": _list(file, minItems=1, maxItems=max_images)},
                    "required": ["image"],
                }
            },
            "image/*": {"schema": file},
            "application/octet-stream": {"schema": file},
            "application/json": {
                "schema": {
                    "oneOf": [
                        _object({"image": encoded}),
                        _object({"images": _list(encoded, minItems=1, maxItems=max_images)}),
                        _object({"url": {"type": "string", "format": "uri"}}),
                    ]
                }
            },
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, text: str, most: int) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": text,
        "schema": {"type": "integer", "minimum": 1, "maximum": most},
    }


def _post(
    summary: str, answer: str, body: dict[str, Any], parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    operation = _operation(summary, {"application/json": {"schema": _ref(answer)}})
    return {"post": {**operation, "requestBody": body, "parameters": parameters or []}}


def _get(summary: str, answer: str) -> dict[str, Any]:
    return {"get": _operation(summary, {"application/json": {"schema": _ref(answer)}})}


def _operation(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": _ref("Error")}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": content},
            "503": {
                "description": "The server has too much to do, or is about to end.",
                "headers": {"Retry-After": {"schema": _COUNT, "description": "Seconds to wait."}},
                "content": error,
            },
            "default": {
                "description": "Refused: a stable code, the reason, and what would be accepted.",
                "content": error,
            },
        },
    }
