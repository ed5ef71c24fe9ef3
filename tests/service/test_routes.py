"""What is answered beside predictions: features, neighbours, counters, logs."""

from __future__ import annotations

import gzip
import io
import json
import logging

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bottlebank.service import Settings
from bottlebank.service.logs import _Json, _Text
from bottlebank.service.request_context import ARRIVED

from .conftest import no_training_images


def send(client, route, *files):
    return client.post(route, data={"image": [(io.BytesIO(data), "x.png") for data in files]})


def samples(client):
    text = client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_embed(client, encode):
    answer = send(client, "/embed", encode((10, 20, 30)), b"no image", encode((5, 6, 7))).json
    first, bad, last = answer["embeddings"]
    np.testing.assert_allclose(first["features"], (10, 20, 30))
    np.testing.assert_allclose(last["features"], (5, 6, 7))
    assert bad["error"]["code"] == "image_rejected"
    assert answer["extractor"] == {
        "name": "mobilenet_v2",
        "width": 3,
        "fingerprint": "ab" * 32,
        "precision": "bfloat16",
    }


def test_similar(client, encode):
    answer = send(client, "/similar?top=2", encode((230, 25, 10)), encode("blue")).json
    red, blue = (entry["neighbours"] for entry in answer["similar"])
    assert [near["label"] for near in red] == ["red", "red"]
    assert blue[0]["file"] == "d.png"
    assert blue[0]["similarity"] == pytest.approx(1)
    assert blue[0]["key"] == "03" * 32
    assert answer["head"]["version"] == "1f2e3d"


def test_evidence(client, encode):
    answer = send(client, "/predict?evidence=3", encode("green"), b"no image").json
    entry, bad = answer["predictions"]
    assert entry["evidence"][0]["label"] == "green"
    assert len(entry["evidence"]) == 3
    assert list(bad) == ["error"]
    assert "evidence" not in send(client, "/predict", encode("green")).json["predictions"][0]


@pytest.mark.parametrize("route", ["/similar", "/predict?evidence=1"])
def test_without_training_images(make_app, encode, route):
    client = make_app(find_training_images=no_training_images).test_client()
    answer = send(client, route, encode("red"))
    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "no_training_images"
    assert "has no list of this head's training images" in answer.json["error"]["message"]
    assert send(client, "/predict", encode("red")).status_code == 200


@pytest.mark.parametrize("error", [ValueError, OSError, MemoryError])
def test_a_damaged_cache_is_no_failure_of_the_server(make_app, encode, error):
    def damaged(head):
        raise error("/home/somebody/cache/training-1.npz is not an npz file")

    client = make_app(find_training_images=damaged).test_client()
    answer = send(client, "/similar", encode("red"))
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "no_training_images")
    assert "somebody" not in answer.text


@pytest.mark.parametrize(
    "route", ["/similar?top=0", "/similar?top=51", "/predict?evidence=0", "/predict?evidence=x"]
)
def test_numbers_of_neighbours_that_are_none(client, encode, route):
    answer = send(client, route, encode("red"))
    assert answer.status_code == 400
    assert answer.json["error"]["code"] in ("invalid_top", "invalid_evidence")


def test_answers_say_whether_an_image_is_unknown(client, encode):
    answer = send(client, "/predict", encode((3, 2, 1)), encode("red")).json
    assert [entry["unknown"] for entry in answer["predictions"]] == [True, False]


def test_readyz_says_no_once_the_service_is_about_to_end(client, encode):
    assert client.get("/readyz").json == {"status": "ready"}
    client.application.extensions["bottlebank.service"].ready = False
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "stopping")
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/healthz").status_code == 200
    assert send(client, "/predict", encode("red")).status_code == 200  # what comes is answered


def test_what_waited_for_too_long_is_refused(make_app, encode):
    client = make_app(settings=Settings(deadline_s=1, retry_after_s=7)).test_client()
    answer = client.post(
        "/predict", data=encode("red"), content_type="image/png", environ_overrides={ARRIVED: 0.0}
    )
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "deadline_exceeded")
    assert answer.headers["Retry-After"] == "7"


def test_metrics(client, encode):
    before = samples(client)
    send(client, "/predict", encode("red"), b"bad", encode("blue"))
    send(client, "/predict", b"bad")
    client.get("/nowhere/at/all")
    after = samples(client)

    def more(*name):
        return after.get(name, 0) - before.get(name, 0)

    assert more("bottlebank_requests_total", "/predict", "200") == 1
    assert more("bottlebank_requests_total", "/predict", "400") == 1
    assert more("bottlebank_requests_total", "other", "404") == 1
    assert more("bottlebank_rejected_total", "image_rejected") == 2
    assert more("bottlebank_rejected_total", "not_found") == 1
    assert more("bottlebank_batch_images_sum") == 2
    assert more("bottlebank_request_seconds_count", "/predict") == 2
    (head,) = [key for key in after if key[0] == "bottlebank_head_info"]
    assert {"1f2e3d", "head.h5", "mobilenet_v2", "bfloat16"} <= set(head)


def test_a_request_keeps_its_id_in_answer_and_log(client, encode, caplog):
    caplog.set_level(logging.INFO, "bottlebank.service")
    answer = client.post(
        "/predict",
        data=encode("red"),
        content_type="image/png",
        headers={"X-Request-ID": "order-66.a"},
    )
    assert answer.headers["X-Request-ID"] == "order-66.a"
    (record,) = [record for record in caplog.records if hasattr(record, "request_id")]
    line = json.loads(_Json().format(record))
    assert line.pop("milliseconds") >= 0
    assert line.pop("time").startswith("20")
    assert line == {
        "level": "INFO",
        "logger": "bottlebank.service.logs",
        "message": "POST '/predict' 200",
        "request_id": "order-66.a",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "images": 1,
        "head": "1f2e3d",
        "key": None,
        "code": None,
        "client": "127.0.0.1",
    }
    assert "request_id=order-66.a" in _Text("%(message)s").format(record)


@pytest.mark.parametrize("sent", ["", "x" * 65, "two words", "line\tfeed", "é"])
def test_other_ids_are_replaced(client, sent):
    answer = client.get("/healthz", headers={"X-Request-ID": sent})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_a_path_cannot_forge_a_line_of_the_log(client, caplog):
    caplog.set_level(logging.INFO, "bottlebank.service")
    client.get("/%0AINFO%20all%20is%20well")
    (record,) = [record for record in caplog.records if hasattr(record, "request_id")]
    for formatter in (_Json(), _Text("%(message)s")):
        assert "\n" not in formatter.format(record)


def test_health_is_not_logged(client, caplog):
    caplog.set_level(logging.INFO, "bottlebank.service")
    for route in ("/healthz", "/readyz", "/metrics"):
        client.get(route)
    assert not caplog.records


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, deflate", "aws-chunked"])
@pytest.mark.parametrize(
    ("route", "content_type"),
    [
        ("/predict", "image/png"),
        ("/embed", "multipart/form-data; boundary=x"),
        ("/similar", "application/json"),
        ("/classify", "application/json"),
        ("/v1/models/default:predict", "application/json"),
        ("/heads/activate", "application/json"),
    ],
)
def test_a_compressed_body_is_refused_as_such(client, route, content_type, encoding):
    answer = client.post(
        route,
        data=gzip.compress(b"{}"),
        content_type=content_type,
        headers={"Content-Encoding": encoding},
    )
    assert answer.status_code == 415
    assert answer.headers["Accept-Encoding"] == "identity"
    error = answer.json["error"]
    message = error if route.startswith("/v1/") else error["message"]
    assert f"Content-Encoding '{encoding.lower()}'; send it as it is" in message


def test_a_body_that_is_called_not_compressed_is_read(client, encode):
    for encoding in ("identity", "", "Identity "):
        headers = {"Content-Encoding": encoding}
        answer = client.post("/predict", data=encode("red"), headers=headers)
        assert answer.json["predictions"][0]["label"] == "red"
