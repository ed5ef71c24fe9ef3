from __future__ import annotations

import base64
import io

import cv2
import PIL.Image
import pytest
import simplejpeg
from PIL import Image

from bottlebank.classifier.tags import tags
from bottlebank.features.images.decoder import Limits
from bottlebank.features.images.decoder_pool import DecoderPool
from bottlebank.features.images.fit import Preprocessing

from .conftest import SIZE_PX

PARSERS = ((PIL.Image, "open"), (cv2, "imdecode"), (simplejpeg, "decode_jpeg"))


def picture(mode="RGB", file_format="PNG", colour=None, size=(12, 9)):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, file_format)
    return base64.b64encode(file.getvalue()).decode()


RED = picture(colour=(250, 5, 5))


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ([("nature", 0.91), ("coast", 0.09)], ["Nature"]),
        ([("nature", 0.9), ("coast", 0.1)], ["Nature", "Coast"]),
        ([("nature", 0.3), ("coast", 0.21), ("city", 0.2)], ["Nature", "Coast"]),
        ([("nature", 0.25), ("coast", 0.25), ("city", 0.25)], ["Unknown"]),
        ([("t-shirt", 0.95)], ["T-shirt"]),
        ([("iPhone", 0.95)], ["IPhone"]),
        ([("été", 0.95)], ["Été"]),
        ([("", 0.95)], [""]),
    ],
)
def test_the_tag_rule(ranked, expected):
    assert tags(ranked) == expected


@pytest.mark.parametrize("route", ["/classify", "/classify/"])
def test_tags_in_the_order_of_the_images(client, route):
    images = [RED, picture(colour=(90, 90, 20)), picture(colour=(9, 9, 9))]
    answer = client.post(route, json={"images": images})
    assert answer.status_code == 200
    # 0.96 of one; 0.45 and 0.45; two of three alike
    assert answer.json == {"tags": [["Red"], ["Red", "Green"], ["Red", "Green"]]}


def test_no_images_have_no_tags(client):
    assert client.post("/classify", json={"images": []}).json == {"tags": []}


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG")],
)
def test_formats_and_modes_that_are_accepted(client, mode, file_format):
    answer = client.post("/classify", json={"images": [picture(mode, file_format)]})
    assert answer.status_code == 200
    assert len(answer.json["tags"]) == 1


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({}, "no_images", '"images" is missing'),
        ({"image": RED}, "no_images", '"images" is missing'),
        ({"images": RED}, "images_not_a_list", "received a string"),
        ({"images": None}, "images_not_a_list", "received null"),
        ({"images": {"0": RED}}, "images_not_a_list", "received an object"),
        ({"images": [RED, 3]}, "not_base64", "images[1]"),
        ({"images": ["*" * 12]}, "not_base64", "images[0]"),
        ({"images": ["aGVsbG8="]}, "image_rejected", "images[0]: not an image"),
        ({"images": [""]}, "image_rejected", "empty"),
        ({"images": [RED, picture(file_format="GIF")]}, "format_not_accepted", "images[1]"),
        ({"images": [picture(file_format="WEBP")]}, "format_not_accepted", "received WEBP"),
        ({"images": [picture(file_format="BMP")]}, "format_not_accepted", "received BMP"),
        ({"images": [picture("L")]}, "colour_mode_not_accepted", "received greyscale"),
        ({"images": [picture("L", "JPEG")]}, "colour_mode_not_accepted", "received greyscale"),
        ({"images": [picture("LA")]}, "colour_mode_not_accepted", "greyscale with transparency"),
        ({"images": [picture("I;16")]}, "colour_mode_not_accepted", "greyscale of 16 bits"),
        ({"images": [picture("1")]}, "colour_mode_not_accepted", "black and white"),
        ({"images": [picture("P")]}, "colour_mode_not_accepted", "a palette"),
        ([RED], "invalid_json", "a list"),
    ],
)
def test_what_is_refused(client, body, code, said):
    answer = client.post("/classify", json=body)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    assert said in answer.json["error"]["message"]


def test_a_truncated_image_is_named(client):
    cut = base64.b64encode(base64.b64decode(RED)[:45]).decode()
    answer = client.post("/classify", json={"images": [RED, cut]})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "image_rejected")
    assert "images[1]" in answer.json["error"]["message"]


def test_too_many_images(client):
    answer = client.post("/classify", json={"images": [RED] * 33})
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_many_images")


@pytest.mark.parametrize("route", ["/classify", "/predict"])
def test_the_process_of_the_server_parses_no_image(make_app, predictor, monkeypatch, route):
    """Whatever an image's header says, only a decoder process reads it."""
    limits = Limits(pixels=1000)
    monkeypatch.setattr(
        predictor,
        "decoders",
        lambda *_: DecoderPool(Preprocessing(SIZE_PX), 1, limits=limits),
    )
    client = make_app(predictor).test_client()
    for library, function in PARSERS:

        def parse(*arguments, name=function, **options):
            raise AssertionError(f"{name} was called in the server's own process")

        monkeypatch.setattr(library, function, parse)
    for image, status in (
        (RED, 200),
        (picture(file_format="JPEG"), 200),
        (picture(file_format="TIFF"), 400 if route == "/classify" else 200),
        (picture(mode="L"), 400 if route == "/classify" else 200),
        (picture(size=(100, 100)), 400),
        (base64.b64encode(b"no image").decode(), 400),
    ):
        answer = client.post(route, json={"images": [image]})
        assert answer.status_code == status, answer.json
