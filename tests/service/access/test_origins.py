from __future__ import annotations

import pytest

from bottlebank.errors import UsageError
from bottlebank.service import Settings
from bottlebank.service.access.origins import Origins

ALLOWED = (
    "https://app.example.com",
    "http://localhost:3000/",
    "https://*.example.org",
    "http://[::1]:8080",
)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://app.example.com", "https://APP.example.com:443", "http://localhost:3000"),
        *("https://a.example.org", "https://a.b.example.org", "http://[::1]:8080"),
    ],
)
def test_origins_that_are_allowed(origin):
    assert Origins(ALLOWED).allow(origin)


@pytest.mark.parametrize(
    "origin",
    [
        *("http://app.example.com", "https://app.example.com:8443", "https://xapp.example.com"),
        *("https://app.example.com.evil.example", "https://example.org", "http://a.example.org"),
        *("http://localhost", "http://localhost:3001", "null", "", None, "https://", "http://["),
        *("https://evil.example/https://app.example.com", "https://app.example.com:x"),
        *("https://evilexample.org", "https://app.example.com@evil.example"),
    ],
)
def test_origins_that_are_not(origin):
    assert not Origins(ALLOWED).allow(origin)
    assert not Origins().allow(origin)


@pytest.mark.parametrize(
    "entry",
    ["app.example.com", "https://", "https://a.example/x", "ftp://a.example", "null", "a b", ""],
)
def test_entries_that_are_none(entry):
    with pytest.raises(UsageError, match="cors_origins: expected"):
        Settings(cors_origins=(entry,))


@pytest.fixture
def client(make_app):
    settings = Settings(cors_origins=ALLOWED, rate_limit="100/s")
    return make_app(settings=settings).test_client()


def test_a_page_of_an_allowed_origin_may_send_and_read(client, encode):
    origin = {"Origin": "https://app.example.com"}
    preflight = client.options(
        "/predict",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for name in ("Authorization", "Content-Type", "X-API-Key"):
        assert name in preflight.headers["Access-Control-Allow-Headers"]
    answer = client.post("/predict", data=encode("red"), content_type="image/png", headers=origin)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "RateLimit" in answer.headers["Access-Control-Expose-Headers"]
    refusal = client.post("/predict", data=b"x", content_type="image/png", headers=origin)
    assert refusal.status_code == 400
    assert refusal.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    for each in (preflight, answer, refusal):
        assert each.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in each.headers


def test_others_may_not(client, encode):
    origin = {"Origin": "https://evil.example"}
    answer = client.post("/predict", data=encode("red"), content_type="image/png", headers=origin)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "origin_not_allowed")
    preflight = client.options(
        "/predict", headers={**origin, "Access-Control-Request-Method": "POST"}
    )
    for each in (answer, preflight, client.get("/healthz", headers=origin)):
        assert each.headers["Vary"] == "Origin"
        assert not [name for name, _ in each.headers if name.startswith("Access-Control")]


def test_a_star_is_answered_as_one_without_credentials(make_app):
    client = make_app(settings=Settings(cors_origins=("*",))).test_client()
    answer = client.get("/healthz", headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_refusals_of_the_server_itself_can_be_read_too(make_app, run_server):
    import http.client

    settings = Settings(cors_origins=ALLOWED, max_body_bytes=1000)
    server = run_server(make_app(settings=settings), settings)
    connection = http.client.HTTPConnection(server.url.split("/")[2], timeout=10)
    connection.request("POST", "/predict", b"x" * 200_000, {"Origin": "https://app.example.com"})
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    connection.close()
