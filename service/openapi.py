"""The OpenAPI description of the service, and the page that shows it.

The description itself is `openapi.json`, beside this module; clients are generated from it. The
limits of the running server are filled in here.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, render_template, request, send_from_directory

from .. import __version__
from ..formatting import counted
from .admission import needs_key
from .request_context import current_service

if TYPE_CHECKING:
    from flask import Response

openapi = Blueprint("openapi", __name__)

# Schemas with a list of at most `max_images` entries, and the name of that list.
_LISTS_OF_IMAGES = {"ImagesForm": "image", "ImagesRequest": "images", "ClassifyRequest": "images"}


@openapi.get("/openapi.json")
def description() -> dict[str, Any]:
    """The OpenAPI description of this server."""
    settings = current_service().settings
    here = request.script_root or "/"
    return describe(here, needs_key(), settings.max_images, settings.max_body_bytes)


@functools.lru_cache(maxsize=4)
def describe(
    address: str, is_key_needed: bool, max_images: int, max_body_bytes: int
) -> dict[str, Any]:
    """The OpenAPI document of a server at this address, with these limits."""
    document = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    document["info"]["version"] = __version__
    document["info"]["description"] += (
        f" A request has at most {counted(max_images, 'image')}, of {max_body_bytes:,} bytes "
        f"together."
    )
    document["servers"] = [{"url": address}]
    if is_key_needed:
        document["security"] = [{name: []} for name in document["components"]["securitySchemes"]]
    for schema, name in _LISTS_OF_IMAGES.items():
        document["components"]["schemas"][schema]["properties"][name]["maxItems"] = max_images
    return document


@openapi.get("/docs")
def docs() -> str:
    """The description as a page on which every route can be tried."""
    return render_template("docs.html")


@openapi.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
def docs_file(name: str) -> Response:
    """A file of that page, from an installed package: nothing is loaded from elsewhere."""
    folder = importlib.resources.files("flask_swagger_ui") / "dist"
    return send_from_directory(
        str(folder), name, max_age=current_app.config["SEND_FILE_MAX_AGE_DEFAULT"]
    )
