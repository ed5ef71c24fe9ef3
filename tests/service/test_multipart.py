"""Forms as clients build them: whatever a picture holds, it arrives as it was sent."""

from __future__ import annotations

import base64
import io
import json
from http.client import HTTPConnection

import numpy as np
import pytest
from PIL import Image

from bottlebank.service import Settings
from bottlebank.service.errors import RefusedError
from bottlebank.service.multipart import read_form

B = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
IMAGE = 'Content-Disposition: form-data; name="image"; filename="a.jpg"'


def body_of(*parts, boundary=B, new_line=b"\r\n", end=b"--\r\n", before=b"", after=b""):
    """A form of (headers, data)."""
    line = b"--" + boundary.encode()
    body = before
    for headers, data in parts:
        lines = [headers] if isinstance(headers, (str, bytes)) else headers
        body += line + new_line
        for each in lines:
            body += (each.encode() if isinstance(each, str) else each) + new_line
        body += new_line + data + new_line
    return body + line + end + after


def files(body, boundary=B, max_parts=100):
    return [(part.name, part.file_name, part.data) for part in read_form(body, boundary, max_parts)]


def awkward(n_bytes, kind):
    """Bytes of a picture, rich in what parsers of forms look for."""
    pattern = {
        "cr": b"\r",
        "lf": b"\n",
        "crlf": b"\r\n",
        "dashes": b"\r\n--",
        "nearly": b"\r\n--" + B.encode()[:-1],
        "closing": b"\r\n--" + B.encode()[:-1] + b"--\r\n\r\n",
    }.get(kind)
    if pattern is None:
        return np.random.default_rng(n_bytes).bytes(n_bytes)
    return (pattern * (n_bytes // len(pattern) + 1))[:n_bytes]


@pytest.mark.parametrize("kind", ["noise", "cr", "lf", "crlf", "dashes", "nearly", "closing"])
def test_every_byte_of_a_picture_arrives(kind):
    sizes = [*range(20), *(65_536 - 200 + step for step in range(0, 400, 7)), 1 << 20]
    for n_bytes in sizes:
        data = awkward(n_bytes, kind)
        assert files(body_of((IMAGE, data), (IMAGE, b"x" + data))) == [
            ("image", "a.jpg", data),
            ("image", "a.jpg", b"x" + data),
        ]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (IMAGE, "a.jpg"),
        ([IMAGE, "Content-Type: image/jpeg", "Content-Length: 3"], "a.jpg"),  # OkHttp
        (["Content-Disposition: form-data; name=image; filename=a.jpg"], "a.jpg"),  # .NET
        (
            ["Content-Disposition: form-data; name=image; filename=x; filename*=utf-8''%e2%82%ac"],
            "€",
        ),
        (["Content-Type: image/jpeg", IMAGE], "a.jpg"),
        (["content-disposition:form-data;name=image;filename=a.jpg"], "a.jpg"),
        (["Content-Disposition: form-data;", '\tname="image";', ' filename="a.jpg"'], "a.jpg"),
        ('Content-Disposition: form-data; filename="a.jpg"; name="image"', "a.jpg"),
        ('Content-Disposition: form-data; name="image"; filename="a;b=c.jpg"', "a;b=c.jpg"),
        ('Content-Disposition: form-data; name="image"; filename="фото 📷.jpg"', "фото 📷.jpg"),
        (IMAGE.replace("a.jpg", "été.jpg").encode("latin-1"), "�t�.jpg"),
        (IMAGE.replace("a.jpg", "写真.jpg").encode("cp932"), "�ʐ^.jpg"),
        (IMAGE.encode().replace(b"a.jpg", "a.jpg".encode("utf-16-le")), "a\0.\0j\0p\0g\0"),
        ('Content-Disposition: form-data; name="image"; filename=""', ""),
        ('Content-Disposition: form-data; name="image"; filename="no end', ""),
        (['Content-Disposition: form-data; name="image"', "Content-Type: image/jpeg"], ""),
    ],
)
def test_the_ways_in_which_clients_name_a_file(headers, name):
    ((field, file_name, data),) = files(body_of((headers, b"\xff\xd8\xff")))
    assert (field, data) == ("image", b"\xff\xd8\xff")
    assert file_name == name or name not in ("a.jpg", "€")


@pytest.mark.parametrize(
    "more",
    [
        {"new_line": b"\n", "end": b"--\n"},
        {"end": b"--"},
        {"end": b"-- \t\r\n"},
        {"before": b"This is a form.\r\n"},
        {"before": b"\r\n"},
        {"after": b"epilogue\r\n--x"},
        {"boundary": "x"},
        {"boundary": "'()+_,-./:=? x"},
        {"boundary": "a" * 70},
    ],
)
def test_forms_of_other_shapes(more):
    body = body_of((IMAGE, b"\r\n\xff\r"), ("Content-Disposition: form-data; name=x", b"1"), **more)
    assert files(body, more.get("boundary", B)) == [
        ("image", "a.jpg", b"\r\n\xff\r"),
        ("x", None, b"1"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the boundary that its content type names is not in it"),
        (b"--other\r\n", "the boundary that its content type names is not in it"),
        (body_of((IMAGE, b"x"))[:-8], "its last boundary is missing"),
        (f"--{B}\r\nContent-Disp".encode(), "its last boundary is missing"),
        (f"--{B}x\r\n\r\n--{B}--".encode(), "a line begins with its boundary, and goes on"),
        (body_of(("a: " + "x" * 20_000, b"")), "no empty line after its headers"),
        (
            body_of(([IMAGE, "Content-Type: multipart/mixed; boundary=y"], b"--y--")),
            "a form inside the form",
        ),
    ],
)
def test_what_is_no_form(body, reason):
    with pytest.raises(RefusedError, match=reason) as refused:
        read_form(body, B, 9)
    assert refused.value.code == "no_image"


def test_a_form_without_boundary_is_refused_with_the_reason(client):
    answer = client.post("/predict", data=b"--x--", content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "names no boundary" in answer.json["error"]["message"]


def test_a_form_of_many_fields_is_refused_before_they_are_read():
    body = (f"\r\n--{B}\r\n".encode()) * 100_000
    with pytest.raises(RefusedError, match="a form with at most 9 fields") as refused:
        read_form(body, B, 9)
    assert refused.value.status == 413


def test_a_quoted_boundary_and_a_name_in_another_encoding(client, encode):
    latin = IMAGE.replace("a.jpg", "caf\u00e9.png").encode("latin-1")
    body = body_of((IMAGE, encode("red")), (latin, encode("blue")), boundary="a b")
    answer = client.post(
        "/predict", data=body, content_type='multipart/form-data; charset=x; boundary="a b"'
    )
    assert [entry["label"] for entry in answer.json["predictions"]] == ["red", "blue"]


@pytest.mark.parametrize("name", ["images", "image[]", "file", "IMAGE", ""])
def test_other_fields_are_named(client, encode, name):
    header = f'Content-Disposition: form-data; name="{name}"; filename="a.png"'
    answer = client.post(
        "/predict",
        data=body_of((header, encode("red"))),
        content_type=f"multipart/form-data; boundary={B}",
    )
    assert answer.status_code == 400
    assert answer.json["error"]["message"] == (
        f'expected files in the field "image"; received {name!r}'
    )


def test_a_part_in_base64(client, encode):
    body = body_of(
        ([IMAGE, "Content-Transfer-Encoding: base64"], base64.encodebytes(encode("green"))),
        ([IMAGE, "Content-Transfer-Encoding: binary"], encode("red")),
    )
    answer = client.post("/predict", data=body, content_type=f"multipart/form-data; boundary={B}")
    assert [entry["label"] for entry in answer.json["predictions"]] == ["green", "red"]


def noise(n_bytes, seed):
    """A BMP file of some `n_bytes`, in values that have line ends among them."""
    side = max(1, round((n_bytes / 3) ** 0.5))
    low = np.random.default_rng(seed).integers(0, 16, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(low * (1 if seed % 2 else 15)).save(file, "BMP")
    return file.getvalue()


def same_answers(post, data):
    """What a picture gets as raw body, as a form and as base64."""
    text = base64.encodebytes(data) if len(data) % 2 else base64.b64encode(data)
    return [
        post(body, kind)
        for body, kind in (
            (data, "image/bmp"),
            (body_of((IMAGE, data)), f"multipart/form-data; boundary={B}"),
            (json.dumps({"image": text.decode()}).encode(), "application/json"),
        )
    ]


def test_raw_form_and_base64_get_the_same_answer(client):
    def post(body, kind):
        answer = client.post("/predict", data=body, content_type=kind)
        return answer.status_code, answer.json.get("predictions")

    for seed, n_bytes in enumerate(np.geomspace(20_000, 3_000_000, 30)):
        raw, form, encoded = same_answers(post, noise(n_bytes, seed))
        assert raw[0] == 200
        assert raw == form == encoded


def test_an_image_of_exactly_the_limit_and_one_byte_more(make_app, encode):
    data = encode("red", "BMP", (200, 200))
    client = make_app(settings=Settings(max_body_bytes=len(data))).test_client()

    def post(body, kind):
        answer = client.post("/predict", data=body, content_type=kind)
        return answer.status_code, answer.json.get("error", {}).get("code")

    assert same_answers(post, data) == [(200, None)] * 3
    assert same_answers(post, data + b"\0") == [(413, "body_too_large")] * 3


@pytest.mark.slow
def test_300_photographs_of_20_kb_to_16_mb(make_app, run_server):
    server = run_server(make_app())
    connection = HTTPConnection("127.0.0.1", int(server.url.rsplit(":")[-1].strip("/")), timeout=60)

    def post(body, kind):
        connection.request("POST", "/predict", body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("predictions")

    for seed, n_bytes in enumerate(np.geomspace(20_000, 16_000_000, 300)):
        raw, form, encoded = same_answers(post, noise(n_bytes, seed))
        assert raw[0] == 200
        assert raw == form == encoded, seed
    connection.close()
