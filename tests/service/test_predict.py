from __future__ import annotations

import base64
import io
import json
import re

import pytest

from bottlebank.features.images.decoder import FORMATS
from bottlebank.service import Settings

ROUTES = ("/predict", "/predict/")


def base64_of(data):
    return base64.b64encode(data).decode()


def form(*files):
    return {"image": [(io.BytesIO(data), name) for data, name in files]}


def labels(response):
    assert response.status_code == 200, response.text
    return [entry["label"] for entry in response.json["predictions"]]


def refusal(response, status):
    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert set(response.json) == {"error"}
    assert set(response.json["error"]) == {"code", "message"}
    return response.json["error"]["code"], response.json["error"]["message"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_raw_body_of_every_format(client, encode, route, file_format):
    data = encode("green", file_format)
    response = client.post(route, data=data, content_type=f"image/{file_format.lower()}")
    assert labels(response) == ["green"]


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/x-unheard-of", None])
def test_raw_body_is_recognised_by_content(client, encode, content_type):
    response = client.post("/predict", data=encode("blue"), content_type=content_type)
    assert labels(response) == ["blue"]


@pytest.mark.parametrize("route", ROUTES)
def test_form_answers_in_the_order_of_its_files(client, encode, route):
    colours = ["blue", "red", "green", "red", "blue"]
    files = form(*((encode(colour), "same name.png") for colour in colours))
    assert labels(client.post(route, data=files)) == colours


def test_json_with_one_image(client, encode):
    response = client.post("/predict/", json={"image": base64_of(encode("red"))})
    assert labels(response) == ["red"]


def test_json_with_images_answers_in_their_order(client, encode):
    colours = ["green", "blue", "red"]
    body = {"images": [base64_of(encode(colour)) for colour in colours]}
    assert labels(client.post("/predict", json=body)) == colours


def test_json_tolerates_a_data_url_and_a_vendor_type(client, encode):
    response = client.post(
        "/predict",
        data='{"image": "data:image/png;base64,%s"}' % base64_of(encode("red")),  # noqa: UP031
        content_type="application/vnd.app+json; charset=utf-8",
    )
    assert labels(response) == ["red"]


def test_the_whole_answer(client, encode):
    answer = client.post("/predict", data=encode((40, 50, 10)), content_type="image/png").json
    assert answer.pop("milliseconds") >= 0
    assert answer == {
        "predictions": [
            {
                "label": "green",
                "probability": pytest.approx(0.5),
                "top": [
                    {"label": "green", "probability": pytest.approx(0.5)},
                    {"label": "red", "probability": pytest.approx(0.4)},
                    {"label": "blue", "probability": pytest.approx(0.1)},
                ],
                "unknown": False,
            }
        ],
        "head": {"version": "1f2e3d", "extractor": "mobilenet_v2"},
    }


@pytest.mark.parametrize(("top", "expected"), [("1", ["red"]), ("3", ["red", "blue", "green"])])
def test_top_limits_the_classes(client, encode, top, expected):
    response = client.post(f"/predict?top={top}", data=encode((9, 1, 5)), content_type="image/png")
    assert [entry["label"] for entry in response.json["predictions"][0]["top"]] == expected


def test_top_defaults_to_the_setting(make_app, make_predictor, encode):
    client = make_app(make_predictor(), Settings(top=2)).test_client()
    response = client.post("/predict", data=encode((9, 1, 5)), content_type="image/png")
    assert [entry["label"] for entry in response.json["predictions"][0]["top"]] == ["red", "blue"]


@pytest.mark.parametrize("top", ["0", "4", "-1", "+1", "1.0", "", "all", "²", "9" * 5000])
def test_other_tops_are_refused(client, encode, top):
    response = client.post(
        "/predict", query_string={"top": top}, data=encode("red"), content_type="image/png"
    )
    code, message = refusal(response, 400)
    assert code == "invalid_top"
    assert "a whole number from 1 to 3" in message
    assert len(message) < 150


def test_a_top_that_is_given_twice_is_refused(client, encode):
    response = client.post("/predict?top=1&top=2", data=encode("red"), content_type="image/png")
    code, message = refusal(response, 400)
    assert code == "invalid_top"
    assert "received '1, 2'" in message


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "+5", "1_0", "x", "0x10", "\u0663"])
def test_a_content_length_that_is_none_is_no_failure(client, encode, length):
    response = client.post(
        "/predict",
        data=encode("red"),
        content_type="image/png",
        environ_overrides={"CONTENT_LENGTH": length},
    )
    assert 400 <= response.status_code < 500
    assert set(response.json["error"]) == {"code", "message"}


def test_equal_probabilities_keep_the_order_of_the_classes(client, encode):
    response = client.post("/predict", data=encode((7, 7, 7)), content_type="image/png")
    top = response.json["predictions"][0]["top"]
    assert [entry["label"] for entry in top] == ["red", "green", "blue"]


def test_class_names_are_any_text(make_app, make_predictor, encode):
    names = ("<script>alert(1)</script>", "ру́сский 🧢 'x' \"y\"", "caf\udce9")
    client = make_app(make_predictor(names)).test_client()
    response = client.post("/predict", data=encode((9, 5, 1)), content_type="image/png")
    assert [entry["label"] for entry in response.json["predictions"][0]["top"]] == list(names)


def test_bad_images_among_good_ones_are_refused_in_their_place(client, encode):
    files = form(
        (b"just text", "a.png"),
        (encode("blue"), "b.png"),
        (b"", "c.png"),
        (encode("green")[:45], "d.png"),
        (encode("red"), "e.png"),
    )
    response = client.post("/predict", data=files)
    assert response.status_code == 200
    text, blue, empty, cut, red = response.json["predictions"]
    assert (blue["label"], red["label"]) == ("blue", "red")
    assert {entry["error"]["code"] for entry in (text, empty, cut)} == {"image_rejected"}
    assert "JPEG, PNG, WebP, GIF, BMP" in text["error"]["message"]
    assert "it looks like text" in text["error"]["message"]
    assert empty["error"]["message"] == "the file is empty (0 bytes)"
    assert "truncated or damaged: its data end before the picture does" in cut["error"]["message"]


def test_bad_base64_among_good_is_refused_in_its_place(client, encode):
    good = base64_of(encode("green"))
    response = client.post("/predict", json={"images": [good, "a b", 7, good]})
    first, spaced, number, last = response.json["predictions"]
    assert (first["label"], last["label"]) == ("green", "green")
    assert spaced["error"]["code"] == number["error"]["code"] == "not_base64"
    assert "'a b'" in spaced["error"]["message"]
    assert number["error"]["message"] == "expected a string of base64, received a number"


@pytest.mark.parametrize(
    ("address", "name", "takes"),
    [
        ("/predict?topp=3", "topp", "/predict takes top and evidence"),
        ("/predict/?top=1&Evidence=3", "Evidence", "/predict/ takes top and evidence"),
        ("/predict?%D1%82", "т", "/predict takes top and evidence"),
        ("/similar?evidence=3", "evidence", "/similar takes top"),
        ("/embed?top=3", "top", "/embed takes no parameters"),
    ],
)
def test_a_parameter_that_is_not_there_is_refused(client, encode, address, name, takes):
    response = client.post(address, data=encode("red"), content_type="image/png")
    code, message = refusal(response, 400)
    assert (code, message) == ("unknown_parameter", f"the query has {name!r}; {takes}")


def test_a_refusal_of_an_image_says_what_its_sender_can_do(make_app, encode):
    client = make_app(settings=Settings(max_pixels=100)).test_client()
    _, message = refusal(client.post("/predict", data=encode("red"), content_type="image/png"), 400)
    assert message == "12×9 pixels, more than the 100 in all that are read; send a smaller picture"
    # Three bytes of base64, by chance with no control character below the tab.
    _, message = refusal(client.post("/predict", json={"image": "abcd"}), 400)
    assert message.startswith("not an image in a format that is read here")
    assert "text" not in message


def test_only_bad_images_answer_with_the_reason_of_the_first(client):
    files = form((b"<html>", "a.jpg"), (b"", "b.jpg"))
    code, message = refusal(client.post("/predict", data=files), 400)
    assert code == "image_rejected"
    assert "it looks like a web page" in message


@pytest.mark.parametrize("file_format", [name for name in FORMATS if name != "HEIF"])
def test_every_format_that_extraction_reads_is_answered(client, encode, file_format):
    response = client.post("/predict", data=encode("red", file_format), content_type="image/x")
    assert response.status_code == 200
    assert response.json["predictions"][0]["label"] == "red"


@pytest.mark.parametrize("content_type", [None, "image/png", "application/octet-stream"])
def test_an_empty_body_is_no_image(client, content_type):
    code, message = refusal(client.post("/predict", content_type=content_type), 400)
    assert code == "no_image"
    assert 'field "image"' in message
    assert "image/*" in message
    assert '{"images": ["<base64>", ...]}' in message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": (io.BytesIO(), "")}, "no file was chosen"),
        ({"image": "photo.jpg"}, "curl -F image=@photo.jpg (with the @)"),
        (
            {"file": (io.BytesIO(b"x"), "x.png")},
            "expected files in the field \"image\"; received 'file'",
        ),
        ({"a" * 500: "b"}, "received 'aaa"),
    ],
)
def test_a_form_without_image_files(client, fields, reason):
    response = client.post("/predict", data=fields, content_type="multipart/form-data")
    code, message = refusal(response, 400)
    assert code == "no_image"
    assert reason in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "invalid_json", "the body is not JSON"),
        (b"{", "invalid_json", "the body is not JSON"),
        (b"\xff\xfe\x00", "invalid_json", "the body is not JSON"),
        (b"[" * 5000, "invalid_json", "the body is not JSON"),
        (b"[]", "invalid_json", "received JSON a list"),
        (b'{"a": [' + b"{}," * 20_000 + b"{}]}", "invalid_json", "has more than 10,0"),
        (b'{"image": "' + rb"\n" * 20_000 + b'"}', "invalid_json", "is mostly escapes"),
        (b"null", "invalid_json", "received JSON null"),
        (b'{"images": "x"}', "invalid_json", '"images": expected a list, received a string'),
        (b'{"image": "", "images": []}', "invalid_json", "received both"),
        (b'{"images": []}', "no_image", '"images" is an empty list'),
        (b"{}", "no_image", "received an object with no keys"),
        (b'{"picture": "x"}', "no_image", "received an object with 'picture'"),
        (b'{"image": null}', "not_base64", "expected a string of base64, received null"),
        (b'{"image": ["x"]}', "not_base64", "received a list"),
        ('{"image": "é"}'.encode(), "not_base64", "expected base64"),
        (b'{"image": "YWJj"}', "image_rejected", "JPEG, PNG, WebP, GIF, BMP"),
        (b'{"image": ""}', "image_rejected", "the file is empty (0 bytes)"),
    ],
)
def test_json_that_is_refused(client, body, code, reason):
    response = client.post("/predict", data=body, content_type="application/json")
    received_code, message = refusal(response, 400)
    assert received_code == code
    assert reason in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_values_beside_the_image_and_escapes_in_it_are_read(client, encode, encoding):
    """As PHP, .NET and MIME write them: `\\/`, `\\u002B`, lines of 76 letters."""
    letters = base64_of(encode("red", "BMP", (300, 200)))
    lines = "\r\n".join(letters[start : start + 76] for start in range(0, len(letters), 76))
    text = json.dumps({"image": lines, "about": [{"n": number} for number in range(4000)]})
    body = text.replace("/", r"\/").replace("+", r"\u002B").encode(encoding)
    answer = client.post("/predict", data=body, content_type="application/json")
    assert labels(answer) == ["red"]


def test_a_body_for_the_heads_is_short(client):
    body = json.dumps({"name": "a" * 100_000})
    answer = client.post("/heads/activate", data=body, content_type="application/json")
    assert refusal(answer, 413)[0] == "body_too_large"


def test_a_url_is_not_fetched(client):
    response = client.post("/predict", json={"url": "http://127.0.0.1:1/x.jpg"})
    code, message = refusal(response, 403)
    assert code == "url_disabled"
    assert "switched off" in message
    assert "send the image itself" in message


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "video/mp4", "rubbish"]
)
def test_other_content_types_are_refused(client, encode, content_type):
    response = client.post("/predict", data=encode("red"), content_type=content_type)
    code, message = refusal(response, 415)
    assert code == "unsupported_content_type"
    assert repr(content_type) in message
    for accepted in (
        'field "image"',
        "image/*",
        "application/octet-stream",
        '{"image": "<base64>"}',
    ):
        assert accepted in message


@pytest.mark.parametrize("as_json", [True, False])
def test_more_images_than_the_limit_are_refused_undecoded(
    make_app, make_predictor, encode, as_json
):
    client = make_app(make_predictor(), Settings(max_images=2)).test_client()
    data = encode("red")

    def post(n_images):
        if as_json:
            return client.post("/predict", json={"images": [base64_of(data)] * n_images})
        return client.post("/predict", data=form(*[(data, "x.png")] * n_images))

    assert labels(post(2)) == ["red", "red"]
    code, message = refusal(post(3), 413)
    assert code == "too_many_images"
    assert "3 images" in message
    assert "at most 2 are accepted" in message


def test_an_oversize_body_is_refused(make_app, make_predictor, encode):
    data = encode("red", "BMP", (20, 20))
    client = make_app(make_predictor(), Settings(max_body_bytes=len(data))).test_client()
    assert labels(client.post("/predict", data=data, content_type="image/bmp")) == ["red"]
    response = client.post("/predict", data=data + b"\0", content_type="image/bmp")
    code, message = refusal(response, 413)
    assert code == "body_too_large"
    assert f"{len(data) + 1:,} bytes; at most {len(data):,} are accepted" in message


@pytest.mark.parametrize(
    "fields",
    [{"image": "x" * 100_000}, {f"field {i}": "x" for i in range(400)}],
    ids=["long", "many"],
)
def test_a_form_of_text_is_refused(client, fields):
    response = client.post("/predict", data=fields, content_type="multipart/form-data")
    code, message = refusal(response, 413)
    assert code == "body_too_large"
    assert re.match(
        "expected a form with (at most 228 fields, and )?text fields of at most 65,536 bytes; send",
        message,
    )
    assert "curl -F image=@photo.jpg" in message


def test_a_failure_of_the_predictor_is_not_shown_to_the_client(
    make_app, make_predictor, encode, caplog
):
    class Failing(make_predictor):
        def predict_features(self, features):
            raise RuntimeError("the secret of the house")

    client = make_app(Failing()).test_client()
    response = client.post("/predict", data=encode("red"), content_type="image/png")
    code, message = refusal(response, 500)
    assert code == "internal_error"
    assert "secret" not in response.text
    assert "its log says why" in message
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8-sig", "application/json"),
        ("utf-16", "application/json"),
        ("utf-16-le", "application/json; charset=utf-16"),
        ("utf-32", "application/json"),
        ("latin-1", "application/json; charset=ISO-8859-1"),
        ("cp1252", "application/json; charset=windows-1252"),
        ("utf-8", "application/json; charset=zip"),
    ],
)
def test_json_in_other_encodings(client, encode, encoding, content_type):
    text = json.dumps(
        {"image": base64.b64encode(encode("blue")).decode(), "note": "é"}, ensure_ascii=False
    )
    answer = client.post("/predict", data=text.encode(encoding), content_type=content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json["predictions"][0]["label"] == "blue"
