from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import validate

import bottlebank
from bottlebank.service import Settings
from bottlebank.service.routes import MAX_NEIGHBOURS
from bottlebank.untrusted.urls import FetchError

from .test_classify import picture

CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.status_code_conformance,
)


def test_the_description_is_valid_openapi(client):
    answer = client.get("/openapi.json")
    assert answer.mimetype == "application/json"
    validate(answer.json)


def test_every_route_is_described_and_every_description_is_a_route(client):
    described = {
        (path, method.upper())
        for path, methods in client.get("/openapi.json").json["paths"].items()
        for method in methods
    }
    there = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(("/static", "/docs", "/openapi")) and rule.rule != "/"
    }
    assert described == there


def test_a_generated_client_has_a_name_for_everything(client):
    """Generators make a module of each tag, a function of each id and a class of each schema."""
    document = client.get("/openapi.json").json
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len({*names}) == len(names)
    tags = {tag["name"] for tag in document["tags"]}
    assert all(len(operation["tags"]) == 1 for operation in operations)
    assert {operation["tags"][0] for operation in operations} == tags
    schemas = document["components"]["schemas"]
    referenced = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert referenced == schemas.keys()
    for schema in schemas.values():
        for part in schema.get("properties", {}).values():
            assert part.get("type") != "object", "an object without a name of its own"
            assert part.get("items", {}).get("type") != "object"


def test_the_limits_of_the_server_are_in_its_description(make_app):
    app = make_app(settings=Settings(max_images=7, max_body_bytes=12_345))
    document = app.test_client().get("/openapi.json").json
    assert "at most 7 images, of 12,345 bytes together" in document["info"]["description"]
    assert document["info"]["version"] == bottlebank.__version__
    schemas = document["components"]["schemas"]
    for name in ("ImagesForm", "ImagesRequest", "ClassifyRequest"):
        (images,) = schemas[name]["properties"].values()
        assert images["maxItems"] == 7
    nearest = document["paths"]["/similar"]["post"]["parameters"][0]
    assert nearest["schema"]["maximum"] == MAX_NEIGHBOURS
    evidence = document["paths"]["/predict"]["post"]["parameters"][1]
    assert evidence["schema"]["maximum"] == MAX_NEIGHBOURS


@pytest.fixture
def described(make_app):
    return make_app()


def fuzz(app, max_examples):
    """Send what the description allows and what it does not; every answer must be as described."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    png = base64.b64decode(picture(colour=(200, 30, 10)))
    images = st.one_of(st.binary(max_size=200), st.just(png), st.just(png[:50]))
    n_calls = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=max_examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(), image=images)
        def call(case, image):
            nonlocal n_calls
            n_calls += 1
            if case.media_type in ("image/*", "application/octet-stream"):
                case.media_type = "image/png"
                case.body = image
            case.call_and_validate(checks=CHECKS)

        call()
    return n_calls


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_answers_keep_to_the_description(described):
    assert fuzz(described, 8) > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_answers_keep_to_the_description_for_longer(described):
    n_calls = fuzz(described, 400)
    assert n_calls > 2000


@pytest.mark.parametrize("n_bytes", [0, 1, 100, 5000])
@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "application/json", "image/png", "x/y"]
)
@pytest.mark.parametrize(
    "route", ["/predict", "/embed", "/similar", "/classify", "/heads/activate"]
)
def test_bodies_of_any_bytes_get_json(client, route, content_type, n_bytes):
    body = bytes(range(256)) * 20
    answer = client.post(route, data=body[:n_bytes], content_type=content_type)
    assert 400 <= answer.status_code < 500
    assert set(answer.json["error"]) == {"code", "message"}


class Loaded(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.addresses, self.inline = [], ""
        self._script = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self._script = tag in ("script", "style")
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        self.addresses += [value for name, value in attributes if name == "data-description"]

    def handle_data(self, data):
        if self._script:
            self.inline += data.strip()


def test_the_page_of_routes_loads_from_here_alone(client):
    answer = client.get("/docs")
    loaded = Loaded(answer.text)
    assert len(loaded.addresses) == 5
    for address in loaded.addresses:
        assert address.startswith("/")
        assert client.get(address).status_code == 200, address
    assert loaded.inline == ""
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["index.html", "../flask_swagger_ui.py", "swagger-ui.js"])
def test_nothing_else_of_that_package_is_served(client, name):
    assert client.get(f"/docs/{name}").status_code == 404


def test_an_url_is_fetched_where_that_is_allowed(make_app, client, encode, monkeypatch):
    answer = client.post("/predict", json={"url": "http://images.example/a.png"})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "url_disabled")
    app = make_app()
    service = app.extensions["bottlebank.service"]
    asked = []
    monkeypatch.setattr(service.fetcher, "fetch", lambda url: asked.append(url) or encode("blue"))
    answer = app.test_client().post("/predict", json={"url": "http://images.example/a.png"})
    assert asked == ["http://images.example/a.png"]
    assert answer.json["class"] == "blue"
    assert answer.json["confidence"] == answer.json["predictions"][0]["probability"]
    monkeypatch.setattr(service.fetcher, "fetch", lambda url: b"<html>")
    answer = app.test_client().post("/predict", json={"url": "http://images.example/a.png"})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "image_rejected")
    for code, status in {
        "url_address_refused": 403,
        "fetch_redirected": 502,
        "fetch_failed": 502,
        "fetch_too_large": 413,
        "fetch_timeout": 504,
    }.items():

        def refuse(url, code=code):
            raise FetchError(code, "the reason")

        monkeypatch.setattr(service.fetcher, "fetch", refuse)
        answer = app.test_client().post("/predict", json={"url": "http://images.example/a.png"})
        assert answer.status_code == status
        assert answer.json == {"error": {"code": code, "message": "the reason"}}
    for body in ({"url": 3}, {"url": None}, {"url": "http://a.b/c", "image": "aaaa"}):
        answer = app.test_client().post("/predict", json=body)
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "invalid_json")
