"""How long clients that send nasty things keep others waiting.

For each kind of nastiness, 12 clients, each in a process of its own, send it at 4 Mbit/s together,
while one asks `/readyz` and four send photographs. The figures are compared with those of the same
server a moment before, when nobody was nasty::

    bottlebank serve --head head.h5 --port 8000
    python benchmarks/service_stalls.py 127.0.0.1:8000 photo.jpg
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from service_load import load, multipart

if TYPE_CHECKING:
    from collections.abc import Iterator

N_CLIENTS = 12
BYTES_PER_S = 4_000_000 // 8 // N_CLIENTS

_HOST = b"Host: 127.0.0.1\r\n"
_POST = b"POST /predict HTTP/1.1\r\n" + _HOST + b"Content-Type: image/jpeg\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_GET = b"GET /readyz HTTP/1.1\r\n" + _HOST

# What is sent first on a connection, and what then again and again.
KINDS = {
    "one-byte chunks": (_CHUNKED, b"1\r\na\r\n" * 2000),
    "endless chunk size": (_CHUNKED, b"0" * 8192),
    "endless chunk extension": (_CHUNKED + b"1", b";a=b" * 2000),
    "endless trailer": (_CHUNKED + b"0\r\n", b"a: b\r\n" * 1300),
    "header byte by byte": (_GET, b"a"),
    "one header 50,000 times": (_GET, b"a: b\r\n" * 1300),
    "many headers": (_GET, b"".join(b"%x:\r\n" % number for number in range(1300))),
    "folded header": (_GET + b"a: b\r\n", b" c\r\n" * 2000),
    "empty lines": (b"", b"\r\n" * 4096),
    "bodies far too large": (_POST + b"Content-Length: 90000000\r\n\r\n", b"a" * 8192),
}


class Stall(NamedTuple):
    """What others waited while one kind of nastiness was sent; seconds."""

    readyz_worst_s: float
    predict_p99_s: float
    n_lost: int
    """Answers that were not 200."""


def attack(host: str, port: int, kind: str, seconds: float) -> None:
    """Send one kind of nastiness, on one connection after another, at `BYTES_PER_S`."""
    os.nice(19)  # stands for another machine: its processor time is not the server's
    start, again = KINDS[kind]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((host, port), 10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun, n_sent = time.monotonic(), 0
            for piece in itertools.chain([start], itertools.repeat(again)):
                client.sendall(piece)
                n_sent += len(piece)
                time.sleep(max(0.0, begun + n_sent / BYTES_PER_S - time.monotonic()))
                if time.monotonic() > end:
                    break


@contextlib.contextmanager
def attackers(host: str, port: int, kind: str, seconds: float) -> Iterator[None]:
    """Twelve clients that are nasty meanwhile, for at most so many seconds."""
    command = [sys.executable, __file__, f"{host}:{port}", "--attack", kind, "--seconds"]
    running = [subprocess.Popen([*command, str(seconds)]) for _ in range(N_CLIENTS)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(host: str, port: int, photo: bytes, seconds: float) -> Stall:
    """What good clients wait."""
    waited, n_lost, stop = [], 0, threading.Event()

    def ask() -> None:
        nonlocal n_lost
        while not stop.wait(0.02):
            begun = time.monotonic()
            connection = http.client.HTTPConnection(host, port, timeout=60)
            try:
                connection.request("GET", "/readyz")
                n_lost += connection.getresponse().status != 200
            except (OSError, http.client.HTTPException):
                n_lost += 1
            finally:
                connection.close()
            waited.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    result = load(host, port, [multipart(photo)], 4, seconds)
    stop.set()
    asking.join()
    n_lost += sum(count for status, count in result.statuses.items() if status != 200)
    return Stall(max(waited), float(np.quantile(result.latencies_s, 0.99)), n_lost)


def compare(host: str, port: int, photo: bytes, kind: str, seconds: float) -> tuple[Stall, Stall]:
    """Without and with a kind of nastiness, one after the other."""
    usual = measure(host, port, photo, seconds)
    with attackers(host, port, kind, 2 * seconds + 10):
        time.sleep(1.0)
        return usual, measure(host, port, photo, seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("photo", nargs="?", metavar="PHOTO", type=pathlib.Path)
    parser.add_argument("--attack", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=12.0)
    arguments = parser.parse_args()
    host, _, port = arguments.address.rpartition(":")
    if arguments.attack:
        attack(host, int(port), arguments.attack, arguments.seconds)
        return
    photo = arguments.photo.read_bytes()
    measure(host, int(port), photo, 2.0)
    print(f"{'':26}{'/readyz, worst':>16}{'/predict, p99':>16}{'of the usual':>14}{'lost':>6}")
    for kind in KINDS:
        usual, found = compare(host, int(port), photo, kind, arguments.seconds)
        print(
            f"{kind:26}{1000 * found.readyz_worst_s:13.0f} ms{1000 * found.predict_p99_s:13.0f} ms"
            f"{found.predict_p99_s / usual.predict_p99_s:14.2f}{found.n_lost:6}",
            flush=True,
        )


if __name__ == "__main__":
    main()
