"""A server that speaks S3, on loopback, and what can go wrong between it and a client."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections.abc import Callable, Generator
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bottles"
_RESET = struct.pack("ii", 1, 0)  # closing ends the connection at once, whatever is unread


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class S3Server:
    """moto, which answers one request at a time: what it decides, it decides for all clients.

    `requests` has the method, path, query and headers of each. `before`, where it is set, is called
    with the environment of each request before it is answered, may change it, and may return a
    status and a body that are the answer.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.before: Callable[[dict[str, Any]], tuple[str, bytes] | None] | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet
        )
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environment: dict[str, Any], start: Callable[..., Any]) -> Any:
        n_bytes = int(environment.get("CONTENT_LENGTH") or 0)
        body = environment["wsgi.input"].read(n_bytes)
        if len(body) < n_bytes:  # it was cut: no server stores a part
            start("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        environment["wsgi.input"] = io.BytesIO(body)
        self.requests.append({key: value for key, value in environment.items() if key.isupper()})
        if self.before is not None and (answer := self.before(environment)) is not None:
            status, text = answer
            start(status, [("Content-Length", str(len(text))), ("Content-Type", "text/xml")])
            return [text]
        with self._turn:
            return [b"".join(self._app(environment, start))]

    def asked(self, method: str) -> list[dict[str, str]]:
        """The requests of this method."""
        return [each for each in self.requests if each["REQUEST_METHOD"] == method]


def refused(code: str, status: str = "403 Forbidden") -> tuple[str, bytes]:
    """The answer to a request that S3 does not carry out."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return status, text.encode()


class Proxy:
    """Passes connections on to a server."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def goes_on(self, n_bytes: int, of_them_new: int) -> bool:
        """Whether what a client has sent, so many bytes on its connection, is passed on."""
        return True

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for source, target, is_request in ((client, server, True), (server, client, False)):
                job = threading.Thread(target=self._pass_on, args=(source, target, is_request))
                job.daemon = True
                job.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        n_bytes = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                n_bytes += len(data)
                if is_request and not self.goes_on(n_bytes, len(data)):
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    break
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()


class CuttingProxy(Proxy):
    """Cuts each connection that has sent more than `n_bytes`, `n_times` at most."""

    def __init__(self, port: int, n_bytes: int, n_times: int) -> None:
        self._n_bytes, self.n_left = n_bytes, n_times
        super().__init__(port)

    def goes_on(self, n_bytes: int, of_them_new: int) -> bool:
        if n_bytes > self._n_bytes and self.n_left > 0:
            self.n_left -= 1
            return False
        return True


class StallingProxy(Proxy):
    """Once that is asked for, passes on so many bytes of all connections together, then waits."""

    def __init__(self, port: int) -> None:
        self.is_stalled = threading.Event()
        self._left: float = float("inf")
        self._end = threading.Event()
        super().__init__(port)

    def stall_after(self, n_bytes: int) -> None:
        self._left = n_bytes

    def goes_on(self, n_bytes: int, of_them_new: int) -> bool:
        self._left -= of_them_new
        if self._left <= 0:
            self.is_stalled.set()
            self._end.wait(60)
            return False
        return True

    def close(self) -> None:
        self._end.set()
        super().close()


@contextlib.contextmanager
def cutting(server: S3Server, n_bytes: int, n_times: int = 10**6) -> Generator[CuttingProxy]:
    proxy = CuttingProxy(server.port, n_bytes, n_times)
    try:
        yield proxy
    finally:
        proxy.close()
