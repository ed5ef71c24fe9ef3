"""The routes of TensorFlow Serving's REST API, for clients that were written for it.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, g, request

from ..untrusted.json_text import json_type
from ..untrusted.terminal import quote
from .errors import RefusedError
from .request_context import current_service, deadline
from .uploads import check_bytes, check_number, image_from_base64, json_object, max_received_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..classifier.head import HeadAnswer
    from ..prediction import Predictor

models = Blueprint("models", __name__, url_prefix="/v1/models")

ALIAS = "default"
"""The name of whichever head answers."""
INPUT = "image_bytes"
_EXPECTED = '{"instances": [{"b64": "<base64 of an image file>"}, ...]}'


@models.get("/<model>")
@models.get("/<model>/versions/<version>")
def status(model: str, version: str | None = None) -> dict[str, Any]:
    """Whether a model answers, and in which version."""
    predictor = _named(model, version)
    ok = {"error_code": "OK", "error_message": ""}
    entry = {"version": predictor.version, "state": "AVAILABLE", "status": ok}
    return {"model_version_status": [entry]}


@models.get("/<model>/metadata")
@models.get("/<model>/versions/<version>/metadata")
def metadata(model: str, version: str | None = None) -> dict[str, Any]:
    """Inputs and outputs of a model, and its classes in the order of its probabilities."""
    predictor = _named(model, version)
    n_classes = str(len(predictor.classes))
    image = _tensor("DT_STRING", "-1")
    signatures = {
        "serving_default": {"probabilities": _tensor("DT_FLOAT", "-1", n_classes)},
        "labels": {
            "label": _tensor("DT_STRING", "-1"),
            "probability": _tensor("DT_FLOAT", "-1"),
            "unknown": _tensor("DT_BOOL", "-1"),
        },
    }
    return {
        "model_spec": {"name": model, "signature_name": "", "version": predictor.version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    name: {
                        "inputs": {INPUT: image},
                        "outputs": outputs,
                        "method_name": "tensorflow/serving/predict",
                    }
                    for name, outputs in signatures.items()
                }
            },
            "classes": list(predictor.classes),
        },
    }


@models.post("/<model>:predict")
@models.post("/<model>/versions/<version>:predict")
def predict(model: str, version: str | None = None) -> dict[str, Any]:
    """Probabilities of the classes, in rows or in columns as the images came."""
    until = deadline()
    predictor = _named(model, version)
    settings = current_service().settings
    payload = json_object(request, max_received_bytes(settings), _EXPECTED, settings.max_images)
    columns = _is_in_columns(payload)
    signature = _signature(payload)
    images = _images(payload["inputs" if columns else "instances"], columns)
    check_number(len(images), settings.max_images)
    g.n_images = len(images)
    files = [image_from_base64(image) for image in images]
    check_bytes(files, settings.max_body_bytes)
    _raise_first([file if isinstance(file, RefusedError) else None for file in files])
    refusals, features, _ = current_service().inference(files, until)
    _raise_first(refusals)
    outputs = signature(predictor, predictor.predict_features(features))
    if len(outputs) == 1:
        [rows] = outputs.values()
        return {"outputs" if columns else "predictions": rows}
    if columns:
        return {"outputs": outputs}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return {"predictions": rows}


def _named(model: str, version: str | None) -> Predictor:
    """The head that answers, if it has this name and version."""
    name, predictor = current_service().heads.served
    g.head = predictor.version
    if model not in (ALIAS, name, name.removesuffix(".h5")):
        reason = f"Latest({model[:100]}); {quote(name)} answers, also as {ALIAS}"
    elif version not in (None, predictor.version):
        reason = f"Specific({model[:100]}, {version[:100]}); {predictor.version} answers"
    else:
        return predictor
    raise RefusedError("model_not_found", f"Servable not found for request: {reason}", status=404)


def _is_in_columns(payload: dict[str, Any]) -> bool:
    given = [key for key in ("instances", "inputs") if key in payload]
    if len(given) != 1:
        received = "both" if given else "neither"
        raise RefusedError(
            "invalid_json", f'expected "instances" or "inputs", received {received}: {_EXPECTED}'
        )
    return given == ["inputs"]


def _signature(payload: dict[str, Any]) -> Callable[[Predictor, HeadAnswer], dict[str, list[Any]]]:
    name = payload.get("signature_name") or "serving_default"
    if not isinstance(name, str) or name not in _SIGNATURES:
        received = quote(name) if isinstance(name, str) else json_type(name)
        raise RefusedError(
            "invalid_json",
            f'"signature_name": expected one of {", ".join(_SIGNATURES)}, received {received}',
        )
    return _SIGNATURES[name]


def _probabilities(_: Predictor, said: HeadAnswer) -> dict[str, list[Any]]:
    return {"probabilities": said.probabilities.tolist()}


def _labels(predictor: Predictor, said: HeadAnswer) -> dict[str, list[Any]]:
    best = [predictor.ranked(row, 1)[0] for row in said.probabilities]
    return {
        "label": [label for label, _ in best],
        "probability": [probability for _, probability in best],
        "unknown": said.unknown.tolist(),
    }


_SIGNATURES = {"serving_default": _probabilities, "labels": _labels}


def _images(given: object, columns: bool) -> list[object]:
    """What stands for the base64 of each image."""
    name = "instances"
    if columns:
        name = "inputs"
        if isinstance(given, dict) and "b64" not in given and len(given) == 1:
            [given] = given.values()  # named, whatever the name
        if isinstance(given, dict):
            given = [given]  # one image, not in a list
    if not isinstance(given, list):
        raise RefusedError(
            "invalid_json", f'"{name}": expected a list, received {json_type(given)}: {_EXPECTED}'
        )
    if not given:
        raise RefusedError("no_image", f'"{name}" is an empty list; expected {_EXPECTED}')
    return [_base64_of(entry, f"{name}[{position}]") for position, entry in enumerate(given)]


def _base64_of(entry: object, where: str) -> object:
    if isinstance(entry, dict) and "b64" not in entry and len(entry) == 1:
        [entry] = entry.values()
    if isinstance(entry, dict) and [*entry] == ["b64"]:
        return entry["b64"]
    if isinstance(entry, str):  # models that decode base64 themselves are served like this
        return entry
    raise RefusedError(
        "invalid_json",
        f'{where}: expected {{"b64": "<base64 of an image file>"}}, alone or under one name, '
        f"received {json_type(entry)}; arrays of pixels are not taken",
    )


def _raise_first(refusals: Sequence[RefusedError | None]) -> None:
    for position, refusal in enumerate(refusals):
        if refusal is not None:
            raise RefusedError(refusal.code, f"image {position}: {refusal.message}")


def _tensor(dtype: str, *sizes: str) -> dict[str, Any]:
    shape = {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": ""}
