"""Keys, roles and rate limits as clients meet them."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import socket
import time
import urllib.parse

import pytest

from bottlebank.errors import UsageError
from bottlebank.service import Settings, create_app
from bottlebank.service.access.key_file import add_key, remove_key
from bottlebank.service.access.keys import make_key
from bottlebank.service.access.rate_limit import Rate
from bottlebank.service.logs import _Json, _Text

NEEDS_KEY = [
    ("POST", "/predict"),
    ("POST", "/predict/"),
    ("POST", "/embed"),
    ("POST", "/similar"),
    ("POST", "/classify"),
    ("POST", "/v1/models/default:predict"),
    ("GET", "/v1/models/default"),
    ("GET", "/v1/models/head/metadata"),
    ("GET", "/heads"),
    ("GET", "/metrics"),
    ("HEAD", "/metrics"),
    ("POST", "/heads/activate"),
    ("POST", "/heads/rollback"),
]
OPEN = (
    "/",
    "/healthz",
    "/readyz",
    "/docs",
    "/openapi.json",
    "/static/app.js",
    "/docs/swagger-ui.css",
)


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys.txt"


@pytest.fixture
def keys(key_file):
    return {role: add_key(key_file, f"the-{role}", role) for role in ("predict", "admin")}


@pytest.fixture
def client(make_app, key_file, keys):
    return make_app(settings=Settings(keys=str(key_file))).test_client()


def test_every_route_is_open_or_needs_a_key(client):
    rules = {
        (method, rule.rule.replace("<model>", "default").replace("<version>", "1f2e3d"))
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    for method, address in rules:
        if address in OPEN or address.startswith(("/static/", "/docs/")):
            continue
        answer = client.open(address, method=method)
        assert answer.status_code == 401, address


@pytest.mark.parametrize(("method", "address"), NEEDS_KEY)
def test_without_a_key(client, method, address):
    answer = client.open(address, method=method)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="bottlebank"'
    if method != "HEAD" and not address.startswith("/v1/"):
        assert answer.json["error"]["code"] == "key_required"
        assert "Authorization: Bearer KEY, or X-API-Key: KEY" in answer.json["error"]["message"]


@pytest.mark.parametrize("address", OPEN)
def test_what_is_open(client, address):
    assert client.get(address, buffered=True).status_code == 200


def test_with_a_key_in_either_header(client, keys, encode):
    for headers in (
        {"Authorization": f"Bearer {keys['predict']}"},
        {"X-API-Key": keys["predict"]},
        {"X-API-Key": keys["predict"], "Authorization": "Basic YTpi"},
        {"X-API-Key": keys["admin"]},
    ):
        answer = client.post(
            "/predict", data=encode("red"), content_type="image/png", headers=headers
        )
        assert answer.json["predictions"][0]["label"] == "red"
        assert "WWW-Authenticate" not in answer.headers


def test_wrong_keys(client, keys):
    right = keys["predict"]
    wrong = [
        right[:-1],
        f"{right}x",
        right.upper(),
        right[3:],
        f"bb_{'A' * 43}",
        "",
        "é",
        right[::-1],
    ]
    wrong += [f"{right}, {right}", f"{right[:-1]}{'A' if right[-1] != 'A' else 'B'}"]
    for key in wrong:
        answer = client.get("/heads", headers={"X-API-Key": key.encode().decode("latin-1")})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "key_invalid")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert not key or key not in answer.text


def test_roles(client, keys):
    for route, body in (("/heads/activate", {"name": "x"}), ("/heads/rollback", {})):
        answer = client.post(route, json=body, headers={"X-API-Key": keys["predict"]})
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "role_required")
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        answer = client.post(route, json=body, headers={"X-API-Key": keys["admin"]})
        assert (answer.status_code, answer.json["error"]["code"][:3]) == (409, "no_")
    for role in keys:
        assert client.get("/heads", headers={"X-API-Key": keys[role]}).status_code == 200
        assert client.get("/metrics", headers={"X-API-Key": keys[role]}).status_code == 200


def test_keys_rotate_while_requests_are_answered(client, key_file, keys):
    def status(key):
        return client.get("/heads", headers={"X-API-Key": key}).status_code

    new = add_key(key_file, "app2")
    assert (status(keys["predict"]), status(new)) == (200, 200)
    remove_key(key_file, "the-predict")
    assert (status(keys["predict"]), status(new)) == (401, 200)
    key_file.write_text("damaged")
    assert status(new) == 200


def test_a_key_in_the_query_is_refused_with_a_hint(client, keys):
    repeated = (f"?x=1&x={keys['admin']}", f"?top=3&top={keys['admin']}", "?a=1&b=2&a=3&key=x")
    for query in (
        *(f"?key={keys['admin']}", "?api_key=x", f"?q={keys['admin']}", "?Token=1"),
        *repeated,
    ):
        for route in ("/predict", "/heads", "/", "/nothing"):
            answer = client.open(f"{route}{query}", method="POST" if route == "/predict" else "GET")
            assert (answer.status_code, answer.json["error"]["code"]) == (400, "key_in_query")
            assert "send it in a header" in answer.json["error"]["message"]
            assert keys["admin"][:10] not in answer.text


def test_no_answer_repeats_a_key(client, keys):
    key = keys["admin"]
    headers = {"X-API-Key": key, "X-Request-ID": key}
    for method, address, data in (
        ("GET", f"/v1/models/{key}", None),
        ("GET", f"/v1/models/default/versions/{key}", None),
        (
            "POST",
            "/v1/models/default:predict",
            json.dumps({"instances": [], "signature_name": key}),
        ),
        ("POST", "/predict", json.dumps({key: 1})),
        ("POST", "/heads/activate", json.dumps({"name": key})),
        ("GET", f"/{key}", None),
    ):
        more = {} if data is None else {"Content-Type": "application/json"}
        answer = client.open(address, method=method, headers=headers | more, data=data)
        assert 400 <= answer.status_code < 500
        assert key not in answer.text
        assert key not in str(answer.headers)


@pytest.mark.parametrize("formatter", [_Json(), _Text("%(asctime)s %(message)s")])
def test_no_log_has_a_key(client, keys, monkeypatch, formatter):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    for name in ("bottlebank", client.application.logger.name):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "level", logging.DEBUG)
        monkeypatch.setattr(logger, "propagate", False)
    key = keys["admin"]

    def fail(features):
        raise RuntimeError(f"with {key}")

    served = client.application.extensions["bottlebank.service"].heads.served.predictor
    client.get("/heads", headers={"X-API-Key": key})
    monkeypatch.setattr(served, "predict_features", fail)
    png = b"\x89PNG"
    for method, address, headers in (
        ("POST", "/predict", {"X-API-Key": key, "X-Request-ID": key}),
        ("POST", f"/predict?key={key}", {"Authorization": f"Bearer {key}"}),
        ("GET", f"/{key}", {"Authorization": f"Bearer {key}"}),
        ("GET", f"/v1/models/{key}", {"X-API-Key": key}),
        ("POST", "/heads/activate", {"X-API-Key": key, "Content-Type": "application/json"}),
    ):
        data = json.dumps({"name": key}) if "activate" in address else png
        client.open(address, method=method, headers=headers, data=data)
    text = stream.getvalue()
    assert text.count("the-admin") >= 3  # whose key it was is there
    assert key not in text
    assert "Authorization" not in text
    assert "?" not in text
    assert key not in client.get("/metrics", headers={"X-API-Key": key}).text


def test_the_page_asks_for_a_key_and_names_no_classes(client, make_app):
    page = client.get("/").text
    form = page[page.index('<form id="key-form"') :]
    assert " hidden" not in form[: form.index(">")]
    assert 'type="password"' in form
    assert "3 classes" in page
    assert "<bdi>red</bdi>" not in page
    open_page = make_app().test_client().get("/").text
    form = open_page[open_page.index('<form id="key-form"') :]
    assert " hidden" in form[: form.index(">")]
    script = client.get("/static/app.js", buffered=True).text
    assert "sessionStorage" in script
    assert "localStorage" not in script and "cookie" not in script


def test_the_description_says_that_a_key_is_needed(client, make_app):
    document = client.get("/openapi.json").json
    assert document["security"] == [{"bearer": []}, {"header": []}]
    for route in ("/healthz", "/readyz"):
        assert document["paths"][route]["get"]["security"] == []
    assert "security" not in make_app().test_client().get("/openapi.json").json


def test_rates_of_keys_and_of_the_server(make_app, key_file, encode):
    slow = add_key(key_file, "slow", "predict", Rate(1, 60))
    fast = add_key(key_file, "fast", "predict")
    settings = Settings(keys=str(key_file), rate_limit="2/min")
    client = make_app(settings=settings).test_client()

    def send(key):
        return client.get("/heads", headers={"X-API-Key": key})

    first, _, second = send(slow), send(slow), send(slow)
    assert (first.status_code, second.status_code) == (200, 429)
    assert first.headers["RateLimit-Policy"] == '"requests";q=1;w=60'
    assert second.json["error"]["code"] == "rate_limited"
    assert 58 <= int(second.headers["Retry-After"]) <= 60
    assert send(fast).status_code == 200
    assert send(fast).headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    # Guesses share what their address may send; what is open is not limited.
    assert [send("x").status_code for _ in range(3)] == [401, 401, 429]
    assert {client.get("/healthz").status_code for _ in range(10)} == {200}
    assert {client.options("/predict").status_code for _ in range(10)} == {200}


def test_an_address_has_a_rate_where_there_are_no_keys(make_app):
    client = make_app(settings=Settings(rate_limit="3/h")).test_client()
    seen = [client.get("/heads").status_code for _ in range(3)]
    other = client.get("/heads", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code
    assert (*seen, other) == (200, 200, 429, 200)


def test_settings_that_cannot_be_meant(tmp_path):
    with pytest.raises(UsageError, match="such as 10/s"):
        Settings(rate_limit="10")
    with pytest.raises(UsageError, match="trusted_proxies: expected an IP address"):
        Settings(trusted_proxies=("proxy.example",))
    with pytest.raises(UsageError, match="prefix: expected a path such as /photos"):
        Settings(prefix="photos")


def test_nothing_is_started_where_settings_are_refused(tmp_path):
    head = str(tmp_path / "head.h5")
    for settings in (
        Settings(head=head, keys=str(tmp_path / "nothing.txt")),
        Settings(head=head, prefix="/docs"),
    ):
        with pytest.raises(UsageError, match="cannot be read|own addresses"):
            create_app(settings)


def test_an_app_whose_keys_cannot_be_read_does_not_start(tmp_path, make_app):
    with pytest.raises(UsageError, match="nothing.txt: cannot be read"):
        make_app(settings=Settings(keys=str(tmp_path / "nothing.txt")))


def test_a_body_that_was_dropped_is_refused_for_its_key_even_if_that_is_added_meanwhile(
    make_app, run_server, key_file, keys
):
    settings = Settings(keys=str(key_file))
    server = run_server(make_app(settings=settings), settings)
    address = urllib.parse.urlsplit(server.url)
    key, entry = make_key("late", "predict")
    head = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    )

    def send():
        connection.sendall(head.encode())
        assert b"100 Continue" in connection.recv(1000)  # the headers have been judged
        yield
        connection.sendall(b"abc")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        yield answer.status, json.loads(answer.read())["error"]["code"]

    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        sent = send()
        next(sent)
        with key_file.open("a") as file:
            file.write(f"{entry}\n")
        assert next(sent) == (401, "key_invalid")
        assert [*send()][-1] == (400, "image_rejected")


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_of_a_stranger_takes_no_memory(make_app, run_server, key_file, keys, chunked):
    settings = Settings(keys=str(key_file))
    server = run_server(make_app(settings=settings), settings)
    held = server._listener.held
    address = urllib.parse.urlsplit(server.url)
    body = b"x" * 300_000
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    sent = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if chunked else body

    def begin(key):
        """Send all but the last bytes; the connection."""
        connection = socket.create_connection((address.hostname, address.port), timeout=10)
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n{framing}\r\n\r\n"
        connection.sendall(head.encode() + sent[:-3])
        return connection

    def end(connection):
        connection.sendall(sent[-3:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())["error"]["code"]

    stranger, known = begin("bb_wrong"), begin(keys["predict"])
    with contextlib.closing(stranger), contextlib.closing(known):
        while held.n_bytes < 290_000:  # of the one that is known
            time.sleep(0.005)
        assert held.n_bytes < 310_000
        assert end(stranger) == (401, "key_invalid")
        # The same connection goes on.
        stranger.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = http.client.HTTPResponse(stranger)
        answer.begin()
        assert answer.status == 200
        answer.read()
        assert end(known) == (400, "image_rejected")
    while held.n_bytes:
        time.sleep(0.005)
