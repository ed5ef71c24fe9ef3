from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import http.client
import json
import logging
import os
import pathlib
import pty
import re
import resource
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import urllib.parse
from types import SimpleNamespace

import numpy as np
import pytest

import bottlebank
from bottlebank.errors import BottlebankError, UsageError
from bottlebank.service import Server, Settings, serve

PROGRAM = """
import sys, time
from types import SimpleNamespace
import numpy as np
from bottlebank.classifier.head import HeadAnswer
from bottlebank.features.images.decoder_pool import Decoded
from bottlebank.features.images.decoder import Kind
from bottlebank.service import Service, create_app, serve
from bottlebank.service.heads import Heads, Served

class Extractor:
    input_size_px, batch_sizes, n_calls = (8, 8), (1,), 20
    recipe = SimpleNamespace(width=1, grey16="scale")
    def transfer_values(self, images):
        if images.any():
            print("predicting", flush=True)
            time.sleep(float(sys.argv[1]))
        return np.ones((len(images), 1), np.float32)

class DecoderPool:
    def start(self):
        pass
    def decode(self, files, timeout_s):
        n = len(files)
        pixels = np.ones((n, 8, 8, 3), np.uint8)
        return Decoded([""] * n, pixels, [Kind("PNG", "RGB")] * n)
    def close(self):
        pass

class Predictor:
    classes, version, extractor_name, engine, precision = ("a", "b"), "1", "x", "y", "z"
    extractor, head = Extractor(), None
    def decoders(self, *limits):
        return DecoderPool()
    def predict_features(self, features):
        return HeadAnswer(np.full((len(features), 2), 0.5), np.zeros(len(features), bool))
    def ranked(self, probabilities, top):
        return [("a", 0.5), ("b", 0.5)][:top]

app = create_app(service=Service(Heads(Served("head.h5", Predictor()))))
serve(app, port=0, on_ready=lambda url: print(url, flush=True))
print("served", flush=True)
"""


def connect(url):
    address = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=10)


def post(url, data, content_type="image/png"):
    connection = connect(url)
    try:
        connection.request("POST", "/predict", data, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read()), response.headers
    finally:
        connection.close()


def exchange(url, data):
    """Send raw bytes; everything that comes back until the server hangs up."""
    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_concurrent_requests_each_get_their_own_answer(
    make_app, run_server, make_predictor, encode
):
    generator = np.random.default_rng(7)
    colours = [tuple(int(c) for c in generator.integers(1, 256, 3)) for _ in range(16)]
    server = run_server(make_app(make_predictor(seconds=0.02)), Settings(threads=8))
    images = [encode(colour) for colour in colours]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, [server.url] * 16, images))
    for colour, (status, answer, _) in zip(colours, answers, strict=True):
        assert status == 200
        received = {e["label"]: e["probability"] for e in answer["predictions"][0]["top"]}
        expected = np.array(colour) / sum(colour)
        assert [received[name] for name in ("red", "green", "blue")] == pytest.approx(expected)


def test_a_connection_is_used_again_and_does_not_name_the_software(make_app, run_server, predictor):
    server = run_server(make_app(predictor))
    connection = connect(server.url)
    for _ in range(3):
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        assert json.loads(response.read())["status"] == "ok"
        assert "Server" not in response.headers
        port = connection.sock.getsockname()[1]
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_a_chunked_body(make_app, run_server, predictor, encode):
    server = run_server(make_app(predictor))
    data = encode("blue")
    status, answer, _ = post(server.url, iter([data[:50], data[50:]]))
    assert (status, answer["predictions"][0]["label"]) == (200, "blue")


@pytest.mark.parametrize("times_the_limit", [1.01, 3, 10])
def test_an_oversize_body_gets_json(make_app, run_server, predictor, times_the_limit):
    settings = Settings(max_body_bytes=20_000)
    server = run_server(make_app(predictor, settings), settings)
    length = int(times_the_limit * 20_000)
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
        f"Content-Length: {length}"
    )
    body = bytes(length if times_the_limit < 4 else 0)
    answer = exchange(server.url, f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    headers, _, content = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 413 ")
    assert b"X-Content-Type-Options: nosniff" in headers
    error = json.loads(content)["error"]
    assert error["code"] == "body_too_large"
    assert "at most 20,000" in error["message"]


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "bad_request"),
        ((b"GET / HTTP/1.1\r\nX: " + b"x" * 262_144)[:262_144], 431, "headers_too_large"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
    ],
    ids=["malformed", "long", "coding"],
)
def test_what_is_not_http_gets_json(make_app, run_server, predictor, request_bytes, status, code):
    server = run_server(make_app(predictor))
    headers, _, content = exchange(server.url, request_bytes).partition(b"\r\n\r\n")
    assert headers.split()[1] == str(status).encode()
    assert b"X-Frame-Options: DENY" in headers
    assert re.search(rb"X-Request-ID: [0-9a-f]{32}", headers, re.IGNORECASE)
    assert json.loads(content)["error"]["code"] == code


def test_a_request_beyond_the_queue_is_refused_with_its_id_and_logged(
    make_app, run_server, make_predictor, encode, caplog
):
    caplog.set_level(logging.INFO, "bottlebank.service.logs")
    predictor = make_predictor(seconds=0.5)
    server = run_server(make_app(predictor), Settings(threads=1, queue=1, retry_after_s=7))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answered = [pool.submit(post, server.url, encode("red"))]
        assert predictor.extractor.started.wait(5)
        answered.append(pool.submit(post, server.url, encode("red")))
        while server.n_waiting < 1:
            time.sleep(0.01)
        connection = connect(server.url)
        connection.request("POST", "/predict", encode("red"), {"X-Request-ID": "mine-3"})
        refused = connection.getresponse()
        assert (refused.status, refused.headers["X-Request-ID"]) == (503, "mine-3")
        assert refused.headers["Retry-After"] == "7"
        error = json.loads(refused.read())["error"]
        assert error["code"] == "too_busy"
        assert error["message"].endswith("with 1 request waiting; try again later")
        connection.close()
        assert [future.result()[0] for future in answered] == [200, 200]
    (line,) = [record for record in caplog.records if getattr(record, "request_id", "") == "mine-3"]
    assert line.getMessage() == "POST '/predict' 503"
    assert line.code == "too_busy"


def test_the_pages_and_their_files_do_not_wait_behind_images(
    make_app, run_server, make_predictor, encode
):
    predictor, go_on = make_predictor(), threading.Event()
    transfer_values = predictor.extractor.transfer_values

    def transfer_values_when_told(images):
        values = transfer_values(images)
        if images.any():
            go_on.wait(30)
        return values

    predictor.extractor.transfer_values = transfer_values_when_told
    server = run_server(make_app(predictor), Settings(threads=1, queue=1, deadline_s=60))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, server.url, encode("red"))
        assert predictor.extractor.started.wait(5)
        second = pool.submit(post, server.url, encode("red"))
        while server.n_waiting < 1:
            time.sleep(0.01)
        for path in (
            "/",
            "/static/app.js",
            "/static/app.css",
            "/static/favicon.svg",
            "/docs",
            "/docs/swagger-ui.css",
            "/docs/swagger-ui-bundle.js",
            "/openapi.json",
        ):
            connection = connect(server.url)
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, len(response.read()) > 0) == (200, True), path
            connection.close()
        go_on.set()
        assert (first.result()[0], second.result()[0]) == (200, 200)


def test_a_request_in_flight_is_answered_before_the_end(
    make_app, run_server, make_predictor, encode
):
    predictor = make_predictor(seconds=0.5)
    server = run_server(make_app(predictor), Settings(threads=1))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, server.url, encode("red"))
        assert predictor.extractor.started.wait(5)
        waiting = pool.submit(post, server.url, encode("green"))
        while server.n_waiting < 1:
            time.sleep(0.01)  # until the second one has been received, too
        server.stop()
        assert first.result()[1]["predictions"][0]["label"] == "red"
        assert waiting.result()[1]["predictions"][0]["label"] == "green"
    with pytest.raises(ConnectionRefusedError, match="refused"):
        post(server.url, encode("red"))


def test_a_request_beyond_the_grace_does_not_hold_the_end_up(make_app, make_predictor, encode):
    release = threading.Event()

    predictor = make_predictor()
    run = predictor.extractor.transfer_values

    def stuck_run(images):
        if images.any():
            predictor.extractor.started.set()
            release.wait(10)
        return run(images)

    predictor.extractor.transfer_values = stuck_run
    server = Server(make_app(predictor), "127.0.0.1", 0, Settings(shutdown_grace_s=1))
    running = threading.Thread(target=server.run)
    running.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(post, server.url, encode("red"))
        assert predictor.extractor.started.wait(5)
        server.stop()
        running.join(5)
        assert not running.is_alive()
        assert isinstance(stuck.exception(5), http.client.RemoteDisconnected)
        release.set()


def test_a_port_in_use_is_named_with_the_remedy(make_app, run_server, predictor):
    port = urllib.parse.urlsplit(run_server(make_app(predictor)).url).port
    with pytest.raises(
        BottlebankError, match=rf"port {port} of 127\.0\.0\.1 is in use.*another port"
    ):
        serve(make_app(predictor), "127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none(make_app, predictor, port):
    with pytest.raises(UsageError, match=f"expected 0 .* to 65535, received {port}"):
        serve(make_app(predictor), "127.0.0.1", port)


def test_a_host_of_another_machine(make_app, predictor):
    with pytest.raises(UsageError, match=r"an address of this machine .* received '192\.0\.2\.1'"):
        serve(make_app(predictor), "192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
    ],
)
def test_the_address_is_one_for_a_browser_here(make_app, predictor, host, expected):
    server = Server(make_app(predictor), host, 0, Settings())
    server.close()
    assert server.url.startswith(expected)
    assert int(server.url.removeprefix(expected).removesuffix("/")) > 0


def test_a_failing_on_ready_frees_the_port_and_the_signals(make_app, predictor):
    handler = signal.getsignal(signal.SIGTERM)
    urls = []

    def fail(url):
        urls.append(url)
        raise RuntimeError("not ready after all")

    with pytest.raises(RuntimeError, match="not ready after all"):
        serve(make_app(predictor), port=0, on_ready=fail)
    assert signal.getsignal(signal.SIGTERM) is handler
    with pytest.raises(ConnectionRefusedError, match="refused"):
        post(urls[0], b"")


def test_the_name_that_is_listened_on_is_answered(make_app, predictor, monkeypatch):
    """Whatever name the machine has: here, one that leads to 127.0.0.1."""
    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: found("127.0.0.1", *rest, **more)
    )
    app = make_app(predictor)
    client = app.test_client()
    assert client.get("/readyz", headers={"Host": "nas.example:8000"}).status_code == 421

    def stop(url):
        assert client.get("/readyz", headers={"Host": "nas.example:8000"}).status_code == 200
        raise InterruptedError

    with pytest.raises(InterruptedError):
        serve(app, "nas.example", 0, on_ready=stop)


@pytest.fixture
def start_program(tmp_path):
    """Run `serve` in a process of its own, whose predictions take that many seconds."""
    (tmp_path / "bottlebank").symlink_to(pathlib.Path(bottlebank.__path__[0]))
    processes = []
    # Where the tests are started by nohup, the server would rightly ignore it too.
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def start(seconds, **more):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, str(seconds)],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    signal.signal(signal.SIGHUP, usual)
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_with_0_after_the_answer(start_program, number):
    process, url = start_program(0.3)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, url, b"an image")
        assert process.stdout.readline() == "predicting\n"
        process.send_signal(number)
        assert answer.result()[0] == 200
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "served\n", "")


def test_a_service_without_a_terminal_goes_on_at_sighup(start_program):
    process, url = start_program(0.0, start_new_session=True)
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert post(url, b"an image")[0] == 200
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out.splitlines()[-1], err) == (0, "served", "")


@pytest.mark.parametrize(
    ("number", "has_terminal", "stops"),
    [
        (signal.SIGTERM, False, [True]),
        (signal.SIGHUP, True, [True]),
        (signal.SIGHUP, False, []),
        (signal.SIGINT, True, [False]),
    ],
)
def test_which_signals_leave_load_balancers_a_moment(monkeypatch, number, has_terminal, stops):
    found = []
    server = SimpleNamespace(
        url="",
        run=lambda: signal.raise_signal(number),
        stop=lambda drain: found.append(drain),
        close=lambda: None,
    )
    monkeypatch.setattr(bottlebank.service.http.server, "_has_terminal", lambda: has_terminal)
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        bottlebank.service.http.server._serve(server, None)
    finally:
        signal.signal(signal.SIGHUP, usual)
    assert found == stops


def test_a_closed_terminal_ends_it_without_losing_an_answer(start_program):
    ours, theirs = pty.openpty()

    def own_the_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process, url = start_program(0.0, preexec_fn=own_the_terminal, pass_fds=[theirs])
    os.close(theirs)
    os.close(ours)  # the terminal is gone, and the kernel says so
    with contextlib.closing(connect(url)) as connection:
        while True:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                break
    assert answer.status == 503
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "served\n", "")


def test_a_second_signal_ends_it_at_once(start_program):
    process, url = start_program(8)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, url, b"an image")
        assert process.stdout.readline() == "predicting\n"
        process.send_signal(signal.SIGTERM)
        # The port is closed by the first signal's handling: from then on the second one counts.
        while True:
            try:
                connection = connect(url)
                connection.connect()
                connection.close()
            except ConnectionError:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(2) == -signal.SIGTERM
        assert isinstance(answer.exception(5), (http.client.RemoteDisconnected, ConnectionError))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_request_of_60_that_are_sent_all_the_time_is_lost_at_the_end(start_program, number):
    process, url = start_program(0.0)
    address = urllib.parse.urlsplit(url)
    answered, lost, closed = [], [], []

    def ask_until_refused(_):
        while True:
            try:
                connection = connect(url)
                connection.connect()
            except ConnectionError:
                return
            try:
                while True:
                    connection.request("GET", "/heads", headers={"Host": address.netloc})
                    response = connection.getresponse()
                    response.read()
                    answered.append(response.status)
                    if response.headers.get("Connection") == "close":
                        closed.append(1)
                        break
            except (OSError, http.client.HTTPException) as error:
                lost.append(error)
                return
            finally:
                connection.close()

    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        asking = [pool.submit(ask_until_refused, each) for each in range(60)]
        while len(answered) < 200:
            time.sleep(0.01)
        process.send_signal(number)
        concurrent.futures.wait(asking, 20)
    assert lost == []
    assert set(answered) == {200}
    assert len(closed) >= 60
    process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process: Linux alone")
def test_a_server_without_descriptors_makes_room_for_whoever_connects(start_program):
    process, url = start_program(0.0)
    address = urllib.parse.urlsplit(url)
    n_open = len(os.listdir(f"/proc/{process.pid}/fd"))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (n_open + 10, n_open + 10))
    flood = [socket.create_connection((address.hostname, address.port), 10) for _ in range(60)]
    connection = connect(url)
    connection.request("GET", "/readyz")
    assert connection.getresponse().status == 200
    for each in [connection, *flood]:
        each.close()


@pytest.mark.slow
def test_stop_is_harmless_at_any_time(make_app, predictor):
    for _ in range(20):
        server = Server(make_app(predictor), "127.0.0.1", 0, Settings())
        running = threading.Thread(target=server.run)
        running.start()
        server.stop()
        while running.is_alive():
            server.stop()
        server.stop(drain=True)
    server = Server(make_app(predictor), "127.0.0.1", 0, Settings())
    server.close()
    server.stop()
    server.close()


def test_a_flood_of_connections_does_not_shut_health_out(make_app, run_server, predictor):
    server = run_server(make_app(predictor), Settings(connection_limit=20))
    address = urllib.parse.urlsplit(server.url)
    where = (address.hostname, address.port)
    flood = [socket.create_connection(where, timeout=10) for _ in range(60)]
    for number, connection in enumerate(flood):
        if number % 2:
            with contextlib.suppress(OSError):  # its place was taken by a later one
                connection.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 100\r\n\r\nx")
    connection = connect(server.url)
    connection.request("GET", "/readyz")
    assert connection.getresponse().status == 200
    for each in [connection, *flood]:
        each.close()


def test_more_than_fits_into_memory_is_refused(make_app, run_server, predictor, encode):
    server = run_server(make_app(predictor), Settings(max_held_bytes=1000))
    status, answer, headers = post(server.url, bytes(2000))
    assert (status, answer["error"]["code"]) == (503, "too_busy")
    assert headers["Retry-After"] == "1"
    assert post(server.url, encode("red"))[0] == 200
    end = time.monotonic() + 5
    # All that may be held fits again; the client has its answer a moment before a body is freed.
    while (found := post(server.url, bytes(1000)))[0] == 503 and time.monotonic() < end:
        time.sleep(0.01)
    assert (found[0], found[1]["error"]["code"]) == (400, "image_rejected")


def test_refusals_before_the_app_are_counted(make_app, run_server, predictor):
    server = run_server(make_app(predictor))
    exchange(server.url, b"GET / HTTP/1.1\r\nno header\r\n\r\n")
    connection = connect(server.url)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'bottlebank_requests_total{route="connection",status="400"} 1.0' in text
    assert 'bottlebank_rejected_total{code="bad_request"} 1.0' in text


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_what_does_not_go_on_is_given_up(make_app, run_server, predictor, data):
    settings = Settings(header_timeout_s=1, channel_timeout_s=1)
    server = run_server(make_app(predictor), settings)
    answer = exchange(server.url, data)
    assert answer.startswith(b"HTTP/1.1 408 ") if data else answer == b""


def test_pipelined_requests_are_answered_in_turn(make_app, run_server, predictor):
    server = run_server(make_app(predictor))
    one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    end = b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answers = exchange(server.url, one * 50 + end)
    assert answers.count(b"HTTP/1.1 200 ") == 50
    assert answers.rindex(b"HTTP/1.1 404 ") > answers.rindex(b"HTTP/1.1 200 ")
