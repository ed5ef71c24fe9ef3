from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bottlebank import Prediction
from bottlebank.datasets.folders import EXTENSIONS
from bottlebank.errors import HeadFileError, UsageError
from bottlebank.features.images.formats import FORMATS
from bottlebank.service import Settings, create_app

ADDRESSES = ("GET /,", "GET /healthz", "POST /predict")


class References(HTMLParser):
    """The addresses that a page names, its inline scripts and styles, and its text."""

    def __init__(self, page):
        super().__init__()
        self.addresses, self.inline, self.texts = [], [], []
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self._open = tag
        for name, value in attributes:
            if name in ("src", "href", "action"):
                self.addresses.append((tag, value))
            if name == "style" or name.startswith("on"):
                self.inline.append(value)

    def handle_data(self, data):
        if data.strip() and self._open in ("script", "style"):
            self.inline.append(data)
        self.texts.append(data.strip())


def test_healthz(client):
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json == {
        "status": "ok",
        "head": {"version": "1f2e3d", "extractor": "mobilenet_v2"},
        "engine": "openvino",
        "precision": "bfloat16",
        "classes": 3,
    }


def test_the_page_names_only_what_the_server_has(client, encode):
    references = References(client.get("/").text)
    for tag, address in references.addresses:
        if tag == "form":
            answer = client.post(address, data=encode("red"), content_type="image/png")
            assert answer.json["predictions"][0]["label"] == "red"
        else:
            assert client.get(address, buffered=True).status_code == 200, address
    assert {tag for tag, _ in references.addresses} == {"link", "script", "img", "form"}


def test_the_page_keeps_to_its_content_security_policy(client):
    response = client.get("/")
    assert References(response.text).inline == []
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "img-src 'self' blob: data:;" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_script_writes_no_html(client):
    script = client.get("/static/app.js", buffered=True).text
    assert "textContent" in script
    for writer in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert writer not in script


def test_the_page_says_of_an_unknown_image_first_that_it_is_unknown(client):
    script = client.get("/static/app.js", buffered=True).text
    shown = script[script.index("async function show(") : script.index("function offerAgain(")]
    # Instead of the classes; in the words of `Prediction`, which a screen reader says in one.
    assert "prediction.unknown ? showUnknown(prediction, card) : showClasses(" in shown
    assert "Unknown: resembles none of the classes, or several" in shown
    words = str(Prediction([("${prediction.label}", 0.9)], unknown=True))
    assert f"return `{words}`;" in shown
    assert "Best guess:" in client.get("/").text


def test_the_page_whose_script_did_not_run_says_so(client):
    page = client.get("/").text
    text = "The script of this page did not run: reload this page."
    assert page.count('id="without-script"') == page.count(text) == 1
    script = client.get("/static/app.js", buffered=True).text
    *_, last_statement = script.strip().split("\n")
    assert last_statement.startswith('document.getElementById("without-script").remove();')


def test_a_card_has_nothing_empty_for_screen_readers(client):
    page = client.get("/").text
    card = page[page.index('<template id="card">') : page.index('<template id="class">')]
    for empty in ("<img", '<p class="guess"', '<ol class="classes"', '<button class="again"'):
        tag = card[card.index(empty) :]
        assert " hidden" in tag[: tag.index(">")], empty


def test_the_page_and_the_docs_name_every_format_that_is_read(client):
    page = client.get("/").text
    accepted = re.search(r'accept="([^"]*)"', page)[1].split(",")
    assert set(accepted) == {"image/*", *EXTENSIONS}
    shown = re.search(r'<p id="accepted">([^,]+(?:, [^,]+)* or \w+), up to', page)[1]
    names = re.split(", | or ", shown)
    assert [name.upper().replace("HEIC", "HEIF") for name in names] == list(FORMATS)
    root = Path(__file__).parents[2]
    for document in (root / "README.md", root / "docs" / "service.md"):
        text = document.read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == []


def test_class_names_on_the_page_are_text(make_app, make_predictor):
    names = ("<script>alert(1)</script>", "a\"b'c & д", "caf\udce9")
    page = make_app(make_predictor(names)).test_client().get("/").text
    texts = References(page).texts
    assert "<script>alert(1)</script>" not in page
    assert [text for text in texts if text in names] == list(names[:2])
    assert "caf?" in texts
    assert "3 classes" in texts


def test_the_page_shows_a_command_for_this_server(make_app):
    client = make_app(settings=Settings(allowed_hosts=("photos.example",))).test_client()
    page = client.get("/", base_url="http://photos.example:8123").text
    assert "curl -F image=@photo.jpg http://photos.example:8123/predict" in page


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/static/../app.py", 404, "not_found"),
        ("GET", "/static/nothing.js", 404, "not_found"),
        ("POST", "/classified", 404, "not_found"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("GET", "/predict/", 405, "method_not_allowed"),
        ("DELETE", "/predict", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_addresses_and_methods_that_are_not(client, method, address, status, code):
    response = client.open(address, method=method)
    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert response.json["error"]["code"] == code
    for address_that_is in ADDRESSES:
        assert address_that_is in response.json["error"]["message"]


def test_405_says_what_is_allowed_in_its_header(client):
    assert set(client.get("/predict").allow) == {"POST", "OPTIONS"}


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/static/app.css"),
        ("GET", "/nothing"),
        ("GET", "/predict"),
        ("POST", "/predict"),
        ("OPTIONS", "/predict"),
    ],
)
def test_security_headers_on_every_answer(client, method, address):
    headers = client.open(
        address, method=method, headers={"Origin": "http://localhost"}, buffered=True
    ).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not [name for name in headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


def test_an_app_of_a_path_alone(tmp_path):
    for path in (tmp_path / "head.h5", str(tmp_path / "head.h5")):
        with pytest.raises(HeadFileError, match="head.h5"):
            create_app(path)


@pytest.mark.parametrize("name", ["max_body_bytes", "max_images", "top", "threads"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, None])
def test_settings_that_cannot_be_meant(name, value):
    with pytest.raises(UsageError, match=f"{name}: expected a whole number of at least 1"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["fetch_from", "allowed_hosts"])
def test_hosts_that_are_none_are_refused_by_the_name_of_their_setting(name):
    with pytest.raises(UsageError, match=f"^{name}: expected a host name such as .* 'a b'"):
        Settings(**{name: ("a.example", "a b")})
