"""How long hostile clients keep others waiting: `/readyz`, and `/predict` of a good client.

    python benchmarks/stall.py photos/
    python benchmarks/stall.py photos/ --head head.h5 --cache cache/ --clients 1 12 --seconds 12

Each kind of hostile client runs for some seconds, in a process of its own, from so many threads:
one-byte chunks, chunk sizes and trailers without end, headers byte by byte, huge headers, bodies
that are too large, empty lines, and requests whose answers nobody reads. Who is refused connects
again a moment later. Meanwhile one connection after the other asks for `/readyz` every 20 ms, and a
good client sends photographs over one connection that is kept alive. "nobody" is the good client
alone, before and after; its slowest p99 is what the others are compared with.

Without --head, one is trained first.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from service_load import load, multipart

from service import EXTRACTOR, bottlebank, serve_bottlebank, some_paths

MOST_READY_S = 0.5
MOST_P99 = 3.0
_HOST = b"Host: 127.0.0.1\r\n"
_POST = b"POST /predict HTTP/1.1\r\n" + _HOST + b"Content-Type: image/jpeg\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_GET = b"GET /readyz HTTP/1.1\r\n" + _HOST


def _endless(first: bytes, piece: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield piece


def _again(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "one-byte chunks": lambda: _endless(_CHUNKED, b"1\r\na\r\n" * 11_000),
    "chunks of a line": lambda: _endless(_CHUNKED, b"18\r\nabcdefghijklmnopqrstuvwx\r\n" * 2000),
    "chunk size": lambda: _endless(_CHUNKED, b"0" * 65_536),
    "trailer": lambda: _endless(_CHUNKED + b"0\r\n", b"a" * 65_536),
    "header bytewise": lambda: _endless(_GET, b"a"),
    "body bytewise": lambda: _endless(_POST + b"Content-Length: 16000000\r\n\r\n", b"a"),
    "same header": lambda: _again(_GET + b"a:b\r\n" * 52_000 + b"\r\n"),
    "many headers": lambda: _again(_GET + b"".join(b"%x:\r\n" % i for i in range(32_000))),
    "folded header": lambda: _again(_GET + b"a:b\r\n" + b" c\r\n" * 65_000 + b"\r\n"),
    "large body": lambda: _endless(_POST + b"Content-Length: 62914560\r\n\r\n", b"a" * 65_536),
    "empty lines": lambda: _again(b"\r\n" * 32_768),
    "unread answers": lambda: _again((b"GET /openapi.json HTTP/1.1\r\n" + _HOST + b"\r\n") * 100),
}


class Stall(NamedTuple):
    n_probes: int
    ready_s: float
    """The longest wait for `/readyz`."""
    p99_s: float
    """Of the good client's `/predict`."""


def measure(
    host: str, port: int, bodies: Sequence[bytes], kind: str | None, n_clients: int, seconds: float
) -> Stall:
    """Have hostile clients at a server for some seconds, beside a good one and a probe."""
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        if kind is not None:
            begun = spawn.Event()
            arguments = (host, port, kind, n_clients, seconds + 1, begun)
            hostile = spawn.Process(target=attack, args=arguments, daemon=True)
            hostile.start()
            stack.callback(hostile.join)
            begun.wait(30)
        done = threading.Event()
        waits_s: list[float] = []
        probing = threading.Thread(target=_probe, args=(host, port, done, waits_s))
        probing.start()
        stack.callback(probing.join)
        stack.callback(done.set)
        result = load(host, port, bodies, 1, seconds)
    if set(result.statuses) != {200}:
        raise AssertionError(f"{kind}: expected 200 alone, received {dict(result.statuses)}")
    return Stall(len(waits_s), max(waits_s), float(np.quantile(result.latencies_s, 0.99)))


def attack(
    host: str, port: int, kind: str, n_clients: int, seconds: float, begun: threading.Event
) -> None:
    """Send one kind of hostile bytes from so many threads."""
    until = time.monotonic() + seconds

    def send() -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection((host, port), 5) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.settimeout(1)
                for piece in KINDS[kind]():
                    client.sendall(piece)
                    if time.monotonic() > until:
                        return
            time.sleep(0.1)

    threads = [threading.Thread(target=send) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()


def _probe(host: str, port: int, done: threading.Event, waits_s: list[float]) -> None:
    while not done.wait(0.02):
        begun = time.monotonic()
        with socket.create_connection((host, port), 60) as client:
            client.sendall(_GET + b"Connection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65_536), b""))
        waits_s.append(time.monotonic() - begun)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"/readyz: expected 200, received {answer[:100]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What hostile clients cost others.")
    parser.add_argument("data", help="a folder per class, of JPEG or PNG files")
    parser.add_argument("--head", help=f"of {EXTRACTOR}; trained on the photographs if not given")
    parser.add_argument("--cache", help="of transfer values and networks; a new one if not given")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--seconds", type=float, default=12.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as folder:
        cache = arguments.cache or f"{folder}/cache"
        head = arguments.head or f"{folder}/head.h5"
        if arguments.head is None:
            options = ["--extractor", EXTRACTOR, "--cache", cache, "--output", head]
            subprocess.run([*bottlebank("train", arguments.data), *options], check=True)
        bodies = [multipart(Path(path).read_bytes()) for path in some_paths(arguments.data)]
        with serve_bottlebank(head, cache) as (host, port):
            print_table(host, port, bodies, arguments.clients, arguments.seconds)


def print_table(
    host: str, port: int, bodies: Sequence[bytes], clients: Sequence[int], seconds: float
) -> None:
    def told(kind: str | None, n_clients: int) -> Stall:
        stall = measure(host, port, bodies, kind, n_clients, seconds)
        print(
            f"  {kind or 'nobody':<17} {n_clients:3} clients   /readyz at most "
            f"{1000 * stall.ready_s:6.0f} ms of {stall.n_probes:4}   "
            f"/predict p99 {1000 * stall.p99_s:6.1f} ms",
            flush=True,
        )
        return stall

    load(host, port, bodies, 4, 2.0)
    usual = [told(None, 0), told(None, 0)]
    stalls = {(kind, n): told(kind, n) for n in clients for kind in KINDS}
    usual_s = max(each.p99_s for each in [*usual, told(None, 0)])
    ready_s = max(each.ready_s for each in stalls.values())
    slowdown = max(each.p99_s for each in stalls.values()) / usual_s
    print(f"  /readyz at most {ready_s:.2f} s: {within(ready_s, MOST_READY_S)}")
    print(f"  p99 at most {slowdown:.2f} times the usual: {within(slowdown, MOST_P99)}")


def within(value: float, most: float) -> str:
    return f"{'within' if value <= most else 'MORE THAN'} {most:g}"


if __name__ == "__main__":
    main()
