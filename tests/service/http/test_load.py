"""The real server with the real network where it is found, under more than it can carry."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.service import Settings

ROOT = pathlib.Path(bb.__path__[0])
sys.path.insert(0, str(ROOT / "benchmarks"))
from service_load import load, multipart  # noqa: E402 (the load generator of the benchmark)


class Running(NamedTuple):
    process: subprocess.Popen[str]
    host: str
    port: int
    log: pathlib.Path

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.host}:{self.port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def memory_mb(self):
        """Of the server and its decoders."""
        total = 0
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if int(folder.name) != self.process.pid and int(parent) != self.process.pid:
                    continue
                found = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
            except OSError:
                continue
            total += int(found[1]) if found else 0
        return total / 1024


@pytest.fixture(scope="module")
def small_bank(tmp_path_factory):
    """A cache and a head on a network that needs no weights, and the images it was trained on."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("extract_recipe")
    generator = np.random.default_rng(3)
    colours = {"red": (200, 40, 30), "green": (40, 200, 30), "blue": (30, 40, 200)}
    for label, colour in colours.items():
        (folder / "data" / label).mkdir(parents=True)
        for number in range(12):
            pixels = generator.normal(colour, 25, (60, 80, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((400, 300)).save(
                folder / "data" / label / f"{number}.jpg", quality=90
            )
    run_bottlebank(
        "train",
        folder / "data",
        "--extractor",
        "random",
        "--cache",
        folder / "cache",
        "--output",
        folder / "head.h5",
    )
    return folder


def run_bottlebank(*arguments):
    command = [sys.executable, "-m", "bottlebank", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def start(tmp_path, small_bank):
    started = []

    def begin(*arguments, heads=None):
        log = tmp_path / f"log-{len(started)}.jsonl"
        which = ("--heads", heads) if heads else ("--head", small_bank / "head.h5")
        command = [sys.executable, "-m", "bottlebank", "serve", *which]
        command += ["--cache", small_bank / "cache", "--port", 0, "--log", "json", *arguments]
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [*map(str, command)], stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        started.append(process)
        address = urllib.parse.urlsplit(re.search(r"http://\S+", process.stdout.readline())[0])
        running = Running(process, address.hostname, address.port, log)
        assert json.loads(running.get("/readyz")) == {"status": "ready"}
        return running

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def bodies(small_bank):
    return [multipart(path.read_bytes()) for path in sorted(small_bank.glob("data/*/*.jpg"))]


def test_64_images_at_once_get_the_answers_that_they_get_alone(start, small_bank):
    """The same features from cache, command line and service; no answer is another's."""
    server = start()
    paths = sorted(small_bank.glob("data/*/*.jpg"))
    paths = (paths * 2)[:64]

    def ask(path):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        connection.request("POST", "/embed", path.read_bytes(), {"Content-Type": "image/jpeg"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["embeddings"][0]["features"]

    alone = np.array([ask(path) for path in paths])
    with ThreadPoolExecutor(64) as pool:
        together = np.array([*pool.map(ask, paths)])
    table = bb.extract(
        bb.load_dataset(small_bank / "data"), extractor="random", cache=small_bank / "cache"
    )
    row_of = {pathlib.Path(path).resolve(): row for row, path in enumerate(table.paths)}
    cached = np.array([table.features[row_of[path.resolve()]] for path in paths])
    for features in (alone, together):
        cosines = (features * cached).sum(axis=1)
        cosines /= np.linalg.norm(features, axis=1) * np.linalg.norm(cached, axis=1)
        assert cosines.min() > 0.999
        nearest = [np.abs(cached - row).sum(axis=1).argmin() % 36 for row in features]
        assert nearest == [row % 36 for row in range(len(paths))]
    # and `bottlebank predict` says what /predict says
    where = ("--head", small_bank / "head.h5", "--cache", small_bank / "cache")
    said = run_bottlebank("predict", paths[0], *where, "--json")
    by_command = json.loads(said.stdout)["predictions"][0]
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("POST", "/predict", paths[0].read_bytes(), {"Content-Type": "image/jpeg"})
    by_service = json.loads(connection.getresponse().read())["predictions"][0]
    connection.close()
    assert by_service["label"] == by_command["label"]
    assert by_service["probability"] == pytest.approx(by_command["probability"], abs=0.01)


def test_a_decoder_that_dies_costs_no_answer(start, bodies):
    server = start()
    children = [
        int(folder.name)
        for folder in pathlib.Path("/proc").glob("[0-9]*")
        if (folder / "stat").exists()
        and (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(server.process.pid)
    ]
    assert children
    for child in children:
        os.kill(child, signal.SIGKILL)
    result = load(server.host, server.port, bodies, 4, 1.0)
    assert set(result.statuses) == {200}


def test_more_than_it_can_carry_gets_503_with_retry_after(start, bodies):
    server = start("--threads", 2, "--queue", 4, "--retry-after-s", 3)
    result = load(server.host, server.port, bodies, 40, 3.0)
    assert set(result.statuses) == {200, 503}
    assert result.missing_retry_after == 0
    metrics = server.get("/metrics")
    refused = re.search(r'bottlebank_rejected_total{code="too_busy"} (\S+)', metrics)
    assert float(refused[1]) == result.statuses[503]


def test_health_routes_answer_under_load(start, bodies):
    server = start("--threads", 1, "--queue", 50)
    times = []
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server.host, server.port, bodies, 40, 2.0)
        while not loading.done():
            begun = time.monotonic()
            for path in ("/healthz", "/readyz", "/metrics"):
                server.get(path)
            times.append(time.monotonic() - begun)
            time.sleep(0.05)
        waited_s = statistics.median(loading.result().latencies_s)
    assert statistics.median(times) < waited_s


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_it_ends_with_20_answers_and_says_first_that_it_does(start, bodies, number):
    server = start("--threads", 1)
    body = bodies[0]
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; "
        "boundary=------------------------bottlebank-benchmark\r\n\r\n"
    ).encode()
    connections = [socket.create_connection((server.host, server.port), 30) for _ in range(20)]
    for connection in connections:
        connection.sendall(head + body)
    server.process.send_signal(number)
    begun = time.monotonic()
    not_ready = None
    while not_ready is None:
        try:
            server.get("/readyz")
        except urllib.error.HTTPError as error:
            not_ready = error.code
            error.close()
        assert time.monotonic() - begun < 5
    assert not_ready == 503
    for connection in connections:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.close()
    assert server.process.wait(15) == 0
    assert time.monotonic() - begun < 15


def test_heads_of_a_folder_take_over_while_it_runs(start, small_bank, tmp_path, bodies):
    heads = tmp_path / "heads"
    heads.mkdir()
    shutil.copy(small_bank / "head.h5", heads / "first.h5")
    server = start(heads=heads)
    first = json.loads(server.get("/healthz"))["head"]["version"]
    run_bottlebank(
        "train",
        small_bank / "data",
        "--extractor",
        "random",
        "--cache",
        small_bank / "cache",
        "--class-weight",
        "balanced",
        "--seed",
        "5",
        "--coverage",
        "0.8",
        "--output",
        tmp_path / "second.h5",
    )
    whole = (tmp_path / "second.h5").read_bytes()
    for number in range(20):  # damaged in 20 ways
        damaged = bytearray(whole[: len(whole) * (number + 1) // 21] if number % 2 else whole)
        damaged[number * len(damaged) // 21 : number * len(damaged) // 21 + 40] = bytes(40)
        (heads / f"damaged-{number:02}.h5").write_bytes(damaged)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server.host, server.port, bodies, 4, 6.0)
        until = time.monotonic() + 20
        while sum("error" in entry for entry in json.loads(server.get("/heads"))["heads"]) < 20:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert json.loads(server.get("/healthz"))["head"]["version"] == first
        shutil.copy(tmp_path / "second.h5", heads / "second.partial")
        os.replace(heads / "second.partial", heads / "second.h5")
        while json.loads(server.get("/healthz"))["head"]["version"] == first:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert set(loading.result().statuses) == {200}
    active = [e for e in json.loads(server.get("/heads"))["heads"] if e["status"] == "active"]
    assert [entry["name"] for entry in active] == ["second.h5"]


class SlowClients:
    """Connections that send a byte of a request from time to time, and never the last one."""

    def __init__(self, host, port, n_clients):
        self._connections = [socket.create_connection((host, port), 30) for _ in range(n_clients)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def _drip(self):
        line = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
        sent = 0
        while not self._stop.wait(0.2):
            for connection in self._connections:
                try:
                    connection.send(line[sent : sent + 1] or b"x")
                except OSError:
                    continue
            sent += 1

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


def p99(result):
    return float(np.quantile(result.latencies_s, 0.99))


def test_slow_clients_hold_nobody_up(start, bodies):
    server = start()
    load(server.host, server.port, bodies, 4, 1.0)
    with SlowClients(server.host, server.port, 90):
        time.sleep(1)
        during = load(server.host, server.port, bodies, 4, 2.0)
    assert set(during.statuses) == {200}


@pytest.mark.slow
def test_p99_with_90_slow_clients(start, bodies):
    """Interleaved rounds: what the machine does otherwise hits both sides."""
    server = start()
    load(server.host, server.port, bodies, 4, 2.0)
    without, during = [], []
    for _ in range(5):
        without.append(p99(load(server.host, server.port, bodies, 4, 3.0)))
        with SlowClients(server.host, server.port, 90):
            time.sleep(0.5)
            during.append(p99(load(server.host, server.port, bodies, 4, 3.0)))
    ratio = statistics.median(during) / statistics.median(without)
    print(f"p99 without {without}, with 90 slow clients {during}: {ratio:.2f}")  # noqa: T201
    assert ratio < 2


@pytest.mark.slow
def test_four_times_the_load_for_a_minute(start, bodies):
    settings = Settings()
    n_connections = 4 * (settings.threads + settings.queue)
    server = start()
    load(server.host, server.port, bodies, n_connections, 5.0)
    before_mb = server.memory_mb()
    result = load(server.host, server.port, bodies, n_connections, 60.0)
    after_mb = server.memory_mb()
    accepted = [
        latency
        for latency, status in zip(result.latencies_s, result.answered_with, strict=True)
        if status == 200
    ]
    shares = np.quantile(accepted, [0.5, 0.99])
    print(  # noqa: T201
        f"{n_connections} connections: {dict(result.statuses)}, accepted median {shares[0]:.2f} s, "
        f"p99 {shares[1]:.2f} s; {before_mb:.0f} MB, then {after_mb:.0f} MB"
    )
    assert set(result.statuses) == {200, 503}
    assert result.missing_retry_after == 0
    assert shares[1] < settings.deadline_s
    assert after_mb < 1.2 * before_mb + 20
    assert json.loads(server.get("/healthz"))["status"] == "ok"
