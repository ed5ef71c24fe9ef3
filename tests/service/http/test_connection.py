"""What clients do with their connections, and what these may cost."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
import urllib.parse

import pytest

from bottlebank.service import Settings
from bottlebank.service.http import connection as connection_module

GET = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"


def where(server):
    address = urllib.parse.urlsplit(server.url)
    return address.hostname, address.port


def connect(server):
    return socket.create_connection(where(server), timeout=10)


def to_the_end(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def ready(server):
    with connect(server) as client:
        client.sendall(GET + b"Connection: close\r\n\r\n")
        return to_the_end(client).startswith(b"HTTP/1.1 200 ")


def wait_until(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [GET + b"a: " + b"b" * 600, POST + b"Content-Length: 600\r\n\r\n"])
def test_a_client_that_sends_byte_by_byte_is_read_less_often(
    make_app, run_server, predictor, monkeypatch, sent
):
    n_reads = 0
    receive = connection_module.Connection.recv

    def count(self, n_bytes):
        nonlocal n_reads
        n_reads += 1
        return receive(self, n_bytes)

    monkeypatch.setattr(connection_module.Connection, "recv", count)
    server = run_server(make_app(predictor))
    begun = time.monotonic()
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in sent + b"c" * 600:
            client.sendall(bytes([byte]))
        client.sendall(b"\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 ")  # what a slow client has sent is read
        seconds = time.monotonic() - begun
    assert n_reads <= 20 + 2 * seconds / connection_module.PAUSE_S


@pytest.mark.parametrize("n_requests", [1, 3])
def test_a_client_that_sends_no_more_is_answered_and_let_go(
    make_app, run_server, predictor, n_requests
):
    server = run_server(make_app(predictor))
    with connect(server) as client:
        client.sendall((GET + b"\r\n") * n_requests)
        client.shutdown(socket.SHUT_WR)
        assert to_the_end(client).count(b"HTTP/1.1 200 ") == n_requests
        wait_until(lambda: not server._listener.connections())


def test_half_a_request_and_no_more(make_app, run_server, predictor):
    server = run_server(make_app(predictor))
    with connect(server) as client:
        client.sendall(POST + b"Content-Length: 5\r\n\r\nab")
        client.shutdown(socket.SHUT_WR)
        assert to_the_end(client) == b""
    wait_until(lambda: not server._listener.connections())
    assert server._listener.held.n_bytes == 0


def test_a_client_that_is_gone_before_its_answer(make_app, run_server, make_predictor, encode):
    predictor = make_predictor(seconds=0.1)
    server = run_server(make_app(predictor))
    body = encode("red")
    with connect(server) as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert predictor.extractor.started.wait(5)
    wait_until(lambda: not server._listener.connections() and not server._listener.held.n_bytes)
    assert ready(server)


def test_answers_that_nobody_takes_are_bounded(make_app, run_server, predictor, monkeypatch):
    most = 20_000
    monkeypatch.setattr(connection_module, "_MAX_UNSENT_BYTES", most)
    server = run_server(make_app(predictor))
    socket_of = server._listener.socket
    socket_of.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # and of what it accepts
    asked = (b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") * 1000
    clients = []
    for _ in range(12):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(where(server))
        client.settimeout(0.1)
        with contextlib.suppress(OSError):
            client.sendall(asked)
        clients.append(client)
    wait_until(lambda: len(server._listener.connections()) == 12)
    wait_until(lambda: len(server._listener.connections()) < 12)
    assert ready(server)
    for client in clients:
        client.close()
    wait_until(lambda: not server._listener.connections())


def test_a_body_that_stalls_makes_way_where_memory_is_short(
    make_app, run_server, predictor, encode, monkeypatch
):
    monkeypatch.setattr(connection_module, "_STALLING_AFTER_S", 0)
    server = run_server(make_app(predictor), Settings(max_held_bytes=3000))
    with connect(server) as stalled, connect(server) as client:
        stalled.sendall(POST + b"Content-Length: 2900\r\n\r\n" + bytes(2800))
        wait_until(lambda: server._listener.held.n_bytes == 2800)
        body = encode("red") + bytes(1000)
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        client.sendall(POST + length + body)
        head, _, content = to_the_end(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert json.loads(content)["predictions"][0]["label"] == "red"
        assert stalled.recv(65536).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: not server._listener.held.n_bytes)


def test_a_thousand_open_connections(make_app, run_server, predictor):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2700
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    clients = []
    try:
        server = run_server(make_app(predictor))
        for number in range(1100):
            client = connect(server)
            clients.append(client)
            if number % 3:
                with contextlib.suppress(OSError):  # its place was taken
                    client.sendall(POST + b"Content-Length: 100\r\n\r\nx" if number % 2 else b"G")
        assert ready(server)
        assert len(server._listener.connections()) <= 1000
    finally:
        for client in clients:
            client.close()
        wait_until(lambda: len(server._listener.connections()) < 10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_needs_no_temporary_files(make_app, run_server, predictor, encode, monkeypatch):
    """A full or absent TMPDIR refuses no image."""

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile._mkstemp_inner", full)
    server = run_server(make_app(predictor))
    image = encode("blue", "BMP", (1000, 700))
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    form = part + image + b"\r\n--b--\r\n"
    post = POST.replace(b"image/png", b"multipart/form-data; boundary=b")
    for head, body in ((POST, image), (post, form)):
        with connect(server) as client:
            length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            client.sendall(head + length + body)
            answer = to_the_end(client).partition(b"\r\n\r\n")[2]
        (told,) = json.loads(answer)["predictions"]
        assert told["label"] == "blue"
