"""The routes of TensorFlow Serving's REST API, with requests as its clients send them."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from bottlebank.service import Settings


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def images(encode):
    return [b64(encode(colour)) for colour in ("red", "blue")]


def send(client, payload, path="head:predict", **settings):
    return client.post(f"/v1/models/{path}", data=json.dumps(payload), **settings)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda image: {"b64": image},
        lambda image: {"image_bytes": {"b64": image}},
        lambda image: {"any_name": {"b64": image}},
        lambda image: image,
    ],
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", ""]
)
def test_instances_get_rows_of_probabilities(client, images, wrap, content_type):
    payload = {"instances": [wrap(image) for image in images]}
    answer = send(client, payload, content_type=content_type)
    assert answer.status_code == 200
    assert [*answer.json] == ["predictions"]
    red, blue = answer.json["predictions"]
    assert sum(red) == pytest.approx(1) and len(red) == 3
    assert (red.index(max(red)), blue.index(max(blue))) == (0, 2)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda images: [{"b64": image} for image in images],
        lambda images: {"image_bytes": [{"b64": image} for image in images]},
        lambda images: {"image_bytes": images},
        lambda images: images,
    ],
)
def test_inputs_get_a_column(client, images, wrap):
    answer = send(client, {"inputs": wrap(images)})
    rows = send(client, {"instances": images}).json["predictions"]
    assert answer.json == {"outputs": rows}


def test_one_input_need_not_be_in_a_list(client, images):
    rows = send(client, {"inputs": {"b64": images[1]}}).json["outputs"]
    assert rows == send(client, {"instances": images[1:]}).json["predictions"]


def test_labels_by_another_signature(client, images):
    answer = send(client, {"signature_name": "labels", "instances": images}).json
    assert [each["label"] for each in answer["predictions"]] == ["red", "blue"]
    assert {*answer["predictions"][0]} == {"label", "probability", "unknown"}
    columns = send(client, {"signature_name": "labels", "inputs": images}).json["outputs"]
    assert columns["label"] == ["red", "blue"]
    assert columns["probability"] == [each["probability"] for each in answer["predictions"]]
    default = send(client, {"signature_name": "serving_default", "instances": images}).json
    assert default == send(client, {"signature_name": "", "instances": images}).json


def test_probabilities_are_those_of_predict(client, images, encode):
    row = send(client, {"instances": images[:1]}).json["predictions"][0]
    answer = client.post("/predict?top=3", data=encode("red"), content_type="image/png").json
    top = {each["label"]: each["probability"] for each in answer["predictions"][0]["top"]}
    assert dict(zip(("red", "green", "blue"), row, strict=True)) == pytest.approx(top)


@pytest.mark.parametrize("model", ["head", "head.h5", "default"])
@pytest.mark.parametrize("version", ["", "/versions/1f2e3d"])
def test_names_of_the_model(client, images, model, version):
    status = client.get(f"/v1/models/{model}{version}")
    assert status.json == {
        "model_version_status": [
            {
                "version": "1f2e3d",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    metadata = client.get(f"/v1/models/{model}{version}/metadata").json
    assert metadata["model_spec"] == {"name": model, "signature_name": "", "version": "1f2e3d"}
    assert metadata["metadata"]["classes"] == ["red", "green", "blue"]
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    shape = signature["outputs"]["probabilities"]["tensor_shape"]
    assert [each["size"] for each in shape["dim"]] == ["-1", "3"]
    assert send(client, {"instances": images}, f"{model}{version}:predict").status_code == 200


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("other", "Latest(other)"),
        ("head.h", "Latest(head.h)"),
        ("head/versions/2", "Specific(head, 2)"),
    ],
)
def test_models_that_are_not_there(client, images, path, named):
    for answer in (
        client.get(f"/v1/models/{path}"),
        client.get(f"/v1/models/{path}/metadata"),
        send(client, {"instances": images}, f"{path}:predict"),
    ):
        assert answer.status_code == 404
        assert [*answer.json] == ["error"]
        assert f"Servable not found for request: {named}" in answer.json["error"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, 'expected "instances" or "inputs", received neither'),
        ({"instances": ["a"], "inputs": ["a"]}, "received both"),
        ({"instances": []}, "an empty list"),
        ({"instances": "a"}, "expected a list, received a string"),
        ({"inputs": {"a": ["x"], "b": ["y"]}}, 'inputs[0]: expected {"b64"'),
        ({"instances": [[[[1, 2, 3]]]]}, "arrays of pixels are not taken"),
        ({"instances": [1.0, 2.0]}, "instances[0]: expected"),
        ({"instances": [{"b64": "aa", "c": 1}]}, "instances[0]: expected"),
        ({"instances": [{"b64": 7}]}, "image 0: "),
        ({"instances": [{"b64": "%%%"}]}, "image 0: "),
        ({"instances": [{"b64": b64(b"no image")}]}, "image 0: "),
        ({"signature_name": "x", "instances": ["a"]}, '"signature_name": expected one of'),
        ({"signature_name": 3, "instances": ["a"]}, '"signature_name": expected one of'),
        ([], "received JSON"),
    ],
)
def test_errors_are_a_text(client, payload, reason):
    answer = send(client, payload)
    assert answer.status_code == 400
    assert [*answer.json] == ["error"]
    assert reason in answer.json["error"]


def test_one_bad_image_refuses_the_request_and_is_named(client, images):
    answer = send(client, {"instances": [images[0], b64(b"GIF89a"), images[1]]})
    assert answer.status_code == 400
    assert answer.json["error"].startswith("image 1: ")


def test_other_refusals_are_a_text_too(make_app, images, client):
    assert isinstance(client.post("/v1/models/head:classify").json["error"], str)
    assert isinstance(client.delete("/v1/models/head").json["error"], str)
    assert isinstance(client.get("/v1/nothing").json["error"], str)
    few = make_app(settings=Settings(max_images=1, rate_limit="2/h")).test_client()
    answer = send(few, {"instances": images})
    assert (answer.status_code, answer.json["error"][:8]) == (413, "2 images")
    send(few, {"instances": images})
    answer = send(few, {"instances": images})
    assert answer.status_code == 429
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize(
    "file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"]
)
def test_formats_that_train_takes_come_by_each_route(client, file_format):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (240, 20, 10)).save(file, file_format)
    data = file.getvalue()
    row = send(client, {"instances": [{"b64": b64(data)}]}).json["predictions"][0]
    assert row.index(max(row)) == 0
    for route in ("/predict", "/embed", "/similar"):
        by_form = client.post(route, data={"image": (io.BytesIO(data), "x.bin")}).json
        by_body = client.post(route, data=data, content_type="application/octet-stream").json
        by_json = client.post(route, json={"image": b64(data)}).json
        kind = {"/predict": "predictions", "/embed": "embeddings", "/similar": "similar"}[route]
        assert by_form[kind] == by_body[kind] == by_json[kind]
        assert "error" not in by_form[kind][0]
    tags = client.post("/classify", json={"images": [b64(data)]})
    assert tags.status_code == (200 if file_format in ("JPEG", "PNG") else 400)
