"""Behind a proxy: a little one, which strips the prefix or passes it on."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import logging
import re
import socket
import threading
import time
import urllib.parse

import pytest

from bottlebank.errors import UsageError
from bottlebank.service import Settings
from bottlebank.service.access.key_file import add_key
from bottlebank.service.access.proxies import Proxies, read_prefix
from bottlebank.service.logs import _Text

from ...conftest import ROOT

PREFIX = "/photos"


def translated(proxies, **environ):
    environ = {"REMOTE_ADDR": "10.0.0.1", "PATH_INFO": "/", "wsgi.url_scheme": "http", **environ}
    proxies.translate(environ)
    return environ


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("/photos/predict", "/predict"),
        ("/predict", "/predict"),
        ("/photos/", "/"),
        ("/photos", "/"),
        ("/", "/"),
        ("", ""),
        ("/photosx/predict", "/photosx/predict"),
        ("/photos//predict", "//predict"),
        ("/photos/photos/predict", "/photos/predict"),
    ],
)
def test_a_prefix_that_comes_along_or_not(path, within):
    environ = translated(Proxies(prefix="/photos/"), PATH_INFO=path)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/photos", within)


def test_what_a_trusted_proxy_forwards_counts():
    environ = translated(
        Proxies(["10.0.0.0/8", "fd00::/8"]),
        HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.5, 10.9.9.9",
        HTTP_X_FORWARDED_PROTO="http, https",
        HTTP_X_FORWARDED_HOST="evil.example, photos.example.com",
        HTTP_X_FORWARDED_PREFIX="/a/b/",
        HTTP_HOST="bottlebank:8000",
        PATH_INFO="/a/b/predict",
    )
    assert environ["REMOTE_ADDR"] == "203.0.113.5"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_HOST"] == "photos.example.com"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/a/b", "/predict")
    assert not [name for name in environ if "FORWARDED" in name]


@pytest.mark.parametrize("proxies", [Proxies(), Proxies(["10.0.0.2", "192.168.0.0/16"])])
def test_what_others_forward_does_not(proxies):
    environ = translated(
        proxies,
        HTTP_X_FORWARDED_FOR="203.0.113.5",
        HTTP_X_FORWARDED_PROTO="https",
        HTTP_X_FORWARDED_HOST="localhost",
        HTTP_X_FORWARDED_PREFIX="/evil",
        HTTP_FORWARDED="for=1.2.3.4;host=localhost",
        HTTP_HOST="evil.example",
    )
    assert environ == {
        "REMOTE_ADDR": "10.0.0.1",
        "PATH_INFO": "/",
        "SCRIPT_NAME": "",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "evil.example",
    }


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("203.0.113.5, junk, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("' OR 1=1", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_that_is_no_trusted_proxy(forwarded, client):
    environ = translated(Proxies(["10.0.0.0/8"]), HTTP_X_FORWARDED_FOR=forwarded)
    assert environ["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/a b", "/a/../b", "javascript:x", "/ä", "/a\r\nb"]
)
def test_a_prefix_that_is_none(prefix):
    with pytest.raises(UsageError, match="expected a path such as /photos"):
        read_prefix(prefix)
    environ = translated(Proxies(["10.0.0.1"]), HTTP_X_FORWARDED_PREFIX=prefix)
    assert environ["SCRIPT_NAME"] == ""


@pytest.mark.parametrize("prefix", ["/docs", "/static/x", "/predict", "/v1", "/heads"])
def test_a_prefix_that_is_an_address_of_the_service_is_refused(make_app, prefix):
    with pytest.raises(UsageError, match="none of the service's own addresses"):
        make_app(settings=Settings(prefix=prefix))


class Proxy(http.server.BaseHTTPRequestHandler):
    """Forwards all below `/photos` to the service, as nginx with `proxy_pass`."""

    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path
        if not path.startswith(PREFIX):
            self.send_error(404)
            return
        if self.server.strips:
            path = path[len(PREFIX) :] or "/"
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        headers |= {
            "Host": "bottlebank.internal",
            "X-Forwarded-For": "203.0.113.5",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "photos.example.com",
            **self.server.headers_added,
        }
        connection = http.client.HTTPConnection(self.server.behind, timeout=20)
        with contextlib.closing(connection):
            connection.request(self.command, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name not in ("Connection", "Transfer-Encoding", "Content-Length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    do_GET = do_POST = do_HEAD = do_OPTIONS = forward  # noqa: N815 (the names of http.server)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def through_proxy():
    """Start a proxy before a server; the call sends a request to the proxy."""
    running = []

    def start(server, *, strips, headers_added=None):
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        proxy.daemon_threads = False
        proxy.strips, proxy.headers_added = strips, headers_added or {}
        proxy.behind = urllib.parse.urlsplit(server.url).netloc
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        running.append((proxy, thread))

        def send(path, method="GET", body=None, headers=None):
            connection = http.client.HTTPConnection("127.0.0.1", proxy.server_port, timeout=20)
            with contextlib.closing(connection):
                connection.request(method, path, body, {"Connection": "close", **(headers or {})})
                answer = connection.getresponse()
                return answer, answer.read()

        return send

    yield start
    for proxy, thread in running:
        proxy.shutdown()
        thread.join(10)
        proxy.server_close()


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("how", ["option", "header"])
def test_everything_works_below_a_prefix(
    make_app, run_server, through_proxy, encode, tmp_path, strips, how
):
    key = add_key(tmp_path / "keys.txt", "app1")
    settings = Settings(
        keys=str(tmp_path / "keys.txt"),
        prefix=PREFIX if how == "option" else "",
        trusted_proxies=("127.0.0.1",),
        allowed_hosts=("photos.example.com",),
        rate_limit="1000/s",
    )
    server = run_server(make_app(settings=settings), settings)
    added = {} if how == "option" else {"X-Forwarded-Prefix": PREFIX}
    send = through_proxy(server, strips=strips, headers_added=added)

    for root in (PREFIX, f"{PREFIX}/"):
        answer, page = send(root)
        assert (answer.status, answer.headers["Location"]) == (200, None)
        text = page.decode()
        assert f"https://photos.example.com{PREFIX}/predict" in text
        assert f'action="{PREFIX}/predict"' in text
        addresses = re.findall(r'(?:src|href|action)="([^"]+)"', text)
        assert addresses and all(each.startswith(f"{PREFIX}/") for each in addresses)
        for address in addresses:
            if not address.endswith("/predict"):
                assert send(address)[0].status == 200, address
    answer, docs = send(f"{PREFIX}/docs")
    assert answer.status == 200
    addresses = re.findall(r'(?:src|href|data-description)="([^"]+)"', docs.decode())
    assert len(addresses) == 5
    for address in addresses:
        assert address.startswith(f"{PREFIX}/")
        assert send(address)[0].status == 200, address
    document = json.loads(send(f"{PREFIX}/openapi.json")[1])
    assert document["servers"] == [{"url": PREFIX}]

    headers = {
        "X-API-Key": key,
        "Content-Type": "image/png",
        "Origin": "https://photos.example.com",
    }
    answer, body = send(f"{PREFIX}/predict", "POST", encode("red"), headers)
    assert json.loads(body)["predictions"][0]["label"] == "red"
    answer, body = send(f"{PREFIX}/predict", "POST", encode("red"), {"Content-Type": "image/png"})
    assert answer.status == 401
    for address in ("/predict//", "/docs/", "/x//predict", "/static"):
        answer, body = send(PREFIX + address, headers=headers)
        assert answer.status in (404, 405)
        assert answer.headers["Location"] is None
        assert f"POST {PREFIX}/predict" in json.loads(body)["error"]["message"]
    for address in ("/healthz", "/readyz"):
        assert send(PREFIX + address)[0].status == 200
    answer, body = send(f"{PREFIX}/metrics", headers=headers)
    assert b'route="/predict"' in body
    assert PREFIX.encode() not in body
    answer, body = send(f"{PREFIX}/v1/models/x:predict", "POST", b"{}", headers)
    assert isinstance(json.loads(body)["error"], str)


def test_health_below_a_prefix_does_not_wait_behind_images(
    make_app, make_predictor, run_server, through_proxy, encode
):
    """The server knows it without the app."""
    predictor = make_predictor(seconds=1.0)
    settings = Settings(prefix=PREFIX, threads=1, queue=1, allowed_hosts=("bottlebank.internal",))
    server = run_server(make_app(predictor, settings=settings), settings)
    send = through_proxy(server, strips=False)
    headers = {"Content-Type": "image/png"}
    image = encode("red")
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(send(f"{PREFIX}/predict", "POST", image, headers)[0])
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert predictor.extractor.started.wait(10)
    assert send(f"{PREFIX}/healthz")[0].status == 200
    assert send(f"{PREFIX}/docs")[0].status == 200
    assert not [answer for answer in answers if answer.status == 200]
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers)[0] == 200


def test_a_client_that_forwards_for_itself_gets_no_other_bucket(make_app):
    client = make_app(settings=Settings(rate_limit="2/h")).test_client()
    statuses = [
        client.get("/heads", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(
    ("request_lines", "status"),
    [
        ("POST /photos/predict HTTP/1.1\r\nContent-Length: 100000000", 413),
        ("POST /photos/predict HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", 400),
        ("POST /photos/predict HTTP/1.1\r\nTransfer-Encoding: gzip", 501),
    ],
)
@pytest.mark.parametrize("is_trusted", [True, False])
def test_what_is_refused_before_the_app_is_logged_as_the_client_sent_it(
    make_app, run_server, caplog, request_lines, status, is_trusted
):
    caplog.set_level(logging.INFO, "bottlebank.service.logs")
    settings = Settings(prefix=PREFIX, trusted_proxies=("127.0.0.1",) if is_trusted else ())
    server = run_server(make_app(settings=settings), settings)
    address = urllib.parse.urlsplit(server.url)
    head = f"{request_lines}\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.5\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
    while not (lines := [record for record in caplog.records if hasattr(record, "client")]):
        time.sleep(0.005)  # it is logged after it is answered
    [line] = lines
    assert line.client == ("203.0.113.5" if is_trusted else "127.0.0.1")
    assert line.getMessage() == f"POST '/predict' {status}"
    assert f" client={line.client} " in _Text("%(message)s").format(line)


def test_the_documented_proxy_forwards_what_makes_its_own_page_work(make_app, run_server, encode):
    """`$host` has no port: at localhost:8080, the page would be of another origin than `Host`."""
    page = (ROOT / "docs" / "service.md").read_text()
    [host] = re.findall(r"proxy_set_header Host (\S+);", page)
    browser = "localhost:8080"
    sent = {"$http_host": browser, "$host": "localhost"}[host]
    client = make_app(settings=Settings(prefix=PREFIX)).test_client()
    headers = {"Host": sent, "Origin": f"http://{browser}"}
    answer = client.post("/predict", data=encode("red"), content_type="image/png", headers=headers)
    assert answer.status_code == 200
