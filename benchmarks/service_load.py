"""Load for an HTTP service from one thread: light, for it shares the cores with what it measures.

    from service_load import load, multipart

    result = load("127.0.0.1", 8000, [multipart(data) for data in photographs], 16, 8.0)
    print(result.requests / result.seconds, result.statuses)

Every connection sends a request as soon as the answer to its last one is complete. Requests are
bytes before the clock starts; of an answer no more is read than its status, Content-Length,
Connection and Retry-After.
"""

from __future__ import annotations

import itertools
import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

NO_ANSWER = 0
"""In place of a status: the connection was refused or broke, or no answer came in time."""

PATIENCE_S = 30.0
_BOUNDARY = "------------------------bottlebank-benchmark"
_FORM = f"multipart/form-data; boundary={_BOUNDARY}"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)")
_CLOSES = re.compile(rb"\r\nconnection:[ \t]*close")


class LoadResult(NamedTuple):
    requests: int
    """All that were sent, with or without an answer."""
    seconds: float
    """From the first request to the last answer."""
    latencies_s: list[float]
    """Of each answer, as its client sees it: from before it connects or sends, to the last byte."""
    statuses: Counter[int]
    """How many requests ended in each, `NO_ANSWER` among them."""
    missing_retry_after: int
    """Answers of status 503 that do not say when to try again."""
    answered_with: list[int]
    """The status that belongs to each of `latencies_s`."""


def multipart(data: bytes, filename: str = "photo.jpg") -> bytes:
    """The body that `curl -F image=@photo.jpg` sends."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def load(
    url_host: str,
    url_port: int,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    *,
    at_most: int | None = None,
    path: str = "/predict",
    content_type: str = _FORM,
    keep_alive: bool = True,
) -> LoadResult:
    """POST the bodies in turn, over and over, for some seconds or `at_most` so many of them.

    When the time is up no request is sent any more, and the answers to those under way are waited
    for, and counted. A connection that the server closes is opened again; without `keep_alive`
    every request has a connection of its own.
    """
    requests = [
        _request(url_host, url_port, path, content_type, keep_alive, body) for body in bodies
    ]
    upcoming = itertools.islice(itertools.cycle(requests), at_most)
    latencies_s: list[float] = []
    answered_with: list[int] = []
    statuses: Counter[int] = Counter()
    missing_retry_after = 0
    with selectors.DefaultSelector() as selector:
        clients = [_Client(selector, url_host, url_port, keep_alive) for _ in range(connections)]
        started = now = time.perf_counter()
        until = started + seconds
        try:
            busy = sum(client.begin(upcoming) for client in clients)
            while busy and now < until + PATIENCE_S:
                for key, events in selector.select(until + PATIENCE_S - now):
                    client: _Client = key.data
                    answer = client.advance(events)
                    if answer is None:
                        continue
                    now = time.perf_counter()
                    statuses[answer.status] += 1
                    if answer.status != NO_ANSWER:
                        latencies_s.append(now - client.began)
                        answered_with.append(answer.status)
                    missing_retry_after += answer.status == 503 and not answer.retry_after
                    if now >= until or not client.begin(upcoming):
                        busy -= 1
                now = time.perf_counter()
        finally:
            for client in clients:
                client.close()
    if busy:
        statuses[NO_ANSWER] += busy
    return LoadResult(
        statuses.total(), now - started, latencies_s, statuses, missing_retry_after, answered_with
    )


def _request(
    host: str, port: int, path: str, content_type: str, keep_alive: bool, body: bytes
) -> bytes:
    name = f"[{host}]" if ":" in host else host
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: bottlebank-benchmark\r\n"
        f"Accept: */*\r\nContent-Length: {len(body)}\r\nContent-Type: {content_type}\r\n"
    )
    return (head + ("" if keep_alive else "Connection: close\r\n") + "\r\n").encode() + body


class _Answer(NamedTuple):
    status: int
    retry_after: bool = False


class _Client:
    """One connection at a time, and one request on it."""

    def __init__(
        self, selector: selectors.BaseSelector, host: str, port: int, keep_alive: bool
    ) -> None:
        self.began = 0.0
        self._keep_alive = keep_alive
        self._selector = selector
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._answer: _Answer | None = None
        self._length: float = 0  # of all of the answer, as soon as there is an `_answer`
        self._closes = False
        self._waits = False

    def begin(self, upcoming: itertools.islice[bytes]) -> bool:
        """Send the next request, or say that there is none."""
        request = next(upcoming, None)
        if request is None:
            return False
        self.began = time.perf_counter()
        self._waits = True
        self._unsent = memoryview(request)
        self._received.clear()
        self._answer, self._closes = None, not self._keep_alive
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            self._socket = socket.socket(family)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.connect_ex(self._address)  # what goes wrong is reported by the first send
            self._selector.register(
                self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self
            )
        else:
            self._send(self._socket)
            if self._unsent:
                self._wait_for(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        return True

    def advance(self, events: int) -> _Answer | None:
        """Send and receive what is possible now; the answer, once it is complete."""
        answer = self._advance(events)
        self._waits = self._waits and answer is None
        return answer

    def _advance(self, events: int) -> _Answer | None:
        if self._socket is None:
            return None
        if not self._waits:  # a server closes a connection on which nothing is asked any more
            self.close()
            return None
        if events & selectors.EVENT_WRITE and self._unsent:
            self._send(self._socket)
            if not self._unsent:
                self._wait_for(self._socket, selectors.EVENT_READ)
        if not events & selectors.EVENT_READ:
            return None
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            self.close()
            return _Answer(NO_ANSWER)
        self._received += data
        if self._answer is None:
            self._read_head()
        if data and (self._answer is None or len(self._received) < self._length):
            return None
        # An answer that came before all of the request was sent leaves the connection unusable.
        if self._closes or self._unsent or not data:
            self.close()
        whole = self._length in (float("inf"), len(self._received))
        return self._answer if self._answer is not None and whole else _Answer(NO_ANSWER)

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self, to: socket.socket) -> None:
        try:
            self._unsent = self._unsent[to.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # the server may have answered before it hung up
            self._unsent = self._unsent[:0]
            self._closes = True

    def _wait_for(self, connected: socket.socket, events: int) -> None:
        self._selector.modify(connected, events, self)

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        self._closes = self._closes or _CLOSES.search(head) is not None
        length = _LENGTH.search(head)
        if length is None and not self._closes:
            raise ValueError(f"expected an answer with Content-Length, received {head!r}")
        self._length = float("inf") if length is None else end + 4 + int(length[1])
        self._answer = _Answer(int(head[9:12]), b"\r\nretry-after:" in head)
