"""The production server: waitress on one address, which ends without losing an answer."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import logging
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error as WaitressError

from ..errors import BottlebankError, UsageError
from .asked import ARRIVED, HEALTH, SERVICE
from .headers import SECURITY_HEADERS
from .logs import REQUEST_ID, log_request, request_id
from .refusals import CODES, error_body
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from .service import Service

_DROPPED_BODY_FACTOR = 4
# Most photographs as one piece: each piece costs a turn of the loop over all connections.
_RECEIVED_AT_ONCE = 1 << 16
# A thread that comes back from decoder or network waits at most so long for one that computes in
# Python; Python's own 5 ms are as long as the network takes for an image.
_SWITCH_INTERVAL_S = 0.0005


def serve(
    app: Flask,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve an app until SIGTERM or SIGINT, answer what is in flight then, and return.

    A second signal ends it at once. To be called from the main thread, which alone gets signals.

    Parameters
    ----------
    app
        From `create_app`.
    host
        Address or name of this machine; `127.0.0.1` is reached from this machine alone, `0.0.0.0`
        from every network.
    port
        0 picks a free one.
    settings
        Limits of the server.
    on_ready
        Called with the address, `http://127.0.0.1:8000/`, once it takes connections.

    Raises
    ------
    UsageError
        When host or port cannot be meant.
    BottlebankError
        When the port is in use or not permitted.
    """
    # Waitress warns whenever all threads are at work: the normal state of a busy server.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    service: Service = app.extensions[SERVICE]
    switch_interval_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with contextlib.closing(service):
            _serve(Server(app, host, port, settings), on_ready)
    finally:
        sys.setswitchinterval(switch_interval_s)


def _serve(server: Server, on_ready: Callable[[str], None] | None) -> None:
    earlier = {}

    def stop(number: int, frame: object) -> None:
        for each, handler in earlier.items():
            signal.signal(each, handler)
        server.stop(drain=number == signal.SIGTERM)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            earlier[number] = signal.signal(number, stop)
        if on_ready is not None:
            on_ready(server.url)
        server.run()
    finally:
        server.close()
        for number, handler in earlier.items():
            signal.signal(number, handler)


class Server:
    """Waitress, bound to an address; `run` blocks until `stop` is called from elsewhere.

    Parameters
    ----------
    app
        WSGI application.
    host, port
        As for `serve`.
    settings
        Limits of the server.

    Attributes
    ----------
    url
        Where a browser on this machine reaches it.

    Raises
    ------
    UsageError, BottlebankError
        As for `serve`.
    """

    def __init__(self, app: Flask, host: str, port: int, settings: Settings) -> None:
        """Connections wait in the kernel from here on."""
        listener = _listen(host, port)
        self.url = _url(listener)
        self._service: Service = app.extensions[SERVICE]
        self._settings = settings
        self._drain = False
        self._stopping = threading.Event()
        self._closed = False
        self._sockets: dict[int, Any] = {}
        self._waitress: Any = create_server(
            app,
            map=self._sockets,
            sockets=[listener],
            ident="",
            threads=settings.threads,
            connection_limit=settings.connection_limit,
            channel_timeout=settings.channel_timeout_s,
            recv_bytes=_RECEIVED_AT_ONCE,
            # Most clients read an answer only once they have sent all of the body, and see "reset
            # by peer" if that is cut short. So a body that is too large is received, and then
            # refused by the app; waitress cuts those that are far too large.
            max_request_body_size=_DROPPED_BODY_FACTOR * settings.max_body_bytes,
        )
        self._waitress.channel_class = _Channel
        self._waitress.settings = settings
        self._waitress.task_dispatcher = self._dispatcher = _Dispatcher(
            self._waitress.task_dispatcher, settings, self._service
        )
        self._service.metrics.watch_queue(lambda: self._dispatcher.n_waiting)

    def run(self) -> None:
        """Answer requests until `stop`; then those in flight, within the grace; then close."""
        try:
            while not self._stopping.is_set():
                self._poll(timeout_s=1)
            self._service.ready = False
            # Whoever distributes requests asks `/readyz` before it sends them elsewhere.
            drained = time.monotonic() + (self._settings.drain_s if self._drain else 0)
            while time.monotonic() < drained:
                self._poll(timeout_s=0.1)
            wasyncore.dispatcher.close(self._waitress)  # the listening socket alone
            deadline = time.monotonic() + self._settings.shutdown_grace_s
            while self._in_flight() and time.monotonic() < deadline:
                self._poll(timeout_s=0.1)
        finally:
            self.close()

    def stop(self, *, drain: bool = False) -> None:
        """Have `run` end; from a signal handler or any thread.

        With `drain`, requests are still taken for a moment, while `/readyz` says no.
        """
        self._drain = drain
        self._service.ready = False
        self._stopping.set()
        if not self._closed:
            self._waitress.pull_trigger()

    def close(self) -> None:
        """Close every connection now. Harmless when closed."""
        if not self._closed:
            self._closed = True
            self._waitress.task_dispatcher.shutdown(timeout=1)
            wasyncore.close_all(self._sockets)
            self._waitress.close()

    def _poll(self, timeout_s: float) -> None:
        # poll() rather than select(), which fails from descriptor 1,024 on.
        wasyncore.loop(timeout_s, use_poll=True, map=self._sockets, count=1)

    def _in_flight(self) -> bool:
        return any(
            channel.requests or channel.request is not None or channel.total_outbufs_len
            for channel in list(self._waitress.active_channels.values())
        )


class _Dispatcher:
    """Waitress's threads, and one more for what must not wait behind images.

    That one refuses requests beyond the bound of the queue, and answers those that ask how the
    server is: under load, they are what one wants to know.
    """

    def __init__(
        self, threads: ThreadedTaskDispatcher, settings: Settings, service: Service
    ) -> None:
        self._threads = threads
        self._most_waiting = settings.queue
        self._service = service
        self._beside = ThreadedTaskDispatcher()
        self._beside.set_thread_count(1)

    @property
    def n_waiting(self) -> int:
        return len(self._threads.queue)

    def add_task(self, channel: Any) -> None:
        """Called by the server's thread when a request has arrived whole."""
        request: Any = channel.requests[0]
        request.arrived = time.monotonic()
        if request.error is not None or request.path in HEALTH:
            self._beside.add_task(channel)
        elif len(self._threads.queue) >= self._most_waiting:
            request.error = _TooBusyError("")
            self._service.metrics.rejected.labels(CODES[503]).inc()
            self._service.metrics.requests.labels("queue", 503).inc()
            self._beside.add_task(channel)
        else:
            self._threads.add_task(channel)

    def set_thread_count(self, count: int) -> None:
        self._threads.set_thread_count(count)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        self._beside.shutdown(cancel_pending, timeout)
        return self._threads.shutdown(cancel_pending, timeout)


class _TooBusyError(WaitressError):
    code = 503
    reason = "Service Unavailable"


class _Task(WSGITask):
    def get_environment(self) -> dict[str, Any]:
        """With the time at which the request arrived: it may have waited for a thread."""
        environment = super().get_environment()
        request: Any = self.request  # typeshed takes it for an error
        environment[ARRIVED] = request.arrived
        return environment


class _JsonErrorTask(ErrorTask):
    """Refusals without the app: of malformed HTTP, of what is far too large, of too many."""

    def execute(self) -> None:
        request: Any = self.request  # typeshed takes it for an error
        error = request.error
        code = CODES.get(error.code, "bad_request")
        message = f"not a request that can be read: {error.body}"
        headers = {"Content-Type": "application/json", **SECURITY_HEADERS}
        server: Any = self.channel.server
        settings: Settings = server.settings
        if error.code == 413:
            limit = settings.max_body_bytes
            message = f"the body is too large; at most {limit:,} bytes are accepted"
        if error.code == 503:
            message = f"the server has more to do than it can: {settings.queue} requests wait"
            headers["Retry-After"] = str(settings.retry_after_s)
        else:
            self.set_close_on_finish()  # what follows on the connection cannot be told apart
        body = json.dumps(error_body(code, message)).encode() + b"\n"
        self.status = f"{error.code} {error.reason}"
        headers[REQUEST_ID] = request_id(request.headers.get("X_REQUEST_ID", ""))
        self.response_headers = list(headers.items())
        self.content_length = len(body)
        self.write(body)
        log_request(
            {
                "request_id": headers[REQUEST_ID],
                "method": getattr(request, "command", None),  # unset where even that was not read
                "path": getattr(request, "path", None),
                "status": error.code,
                "code": code,
                "client": self.channel.addr[0],
            }
        )


class _Channel(HTTPChannel):
    task_class = _Task
    error_task_class = _JsonErrorTask


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UsageError(f"port: expected 0 (any free one) to 65535, received {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # One socket: "localhost" is often two addresses, and clients that try only one try IPv4.
        family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        everywhere = family == socket.AF_INET6 and address[0] == "::"
        return socket.create_server(
            address[:2],
            family=family,
            dualstack_ipv6=everywhere and socket.has_dualstack_ipv6(),
        )
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> BottlebankError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return BottlebankError(
            f"port {port} of {host} is in use by another program; end that one, or choose another "
            f"port (0 picks a free one)"
        )
    if number in (errno.EACCES, errno.EPERM):
        return BottlebankError(
            f"port {port} of {host} is not permitted to this user; choose one from 1024"
        )
    return UsageError(
        f"host: expected an address of this machine (127.0.0.1 for this machine alone, 0.0.0.0 for "
        f"every network), received {host!r}: {getattr(error, 'strerror', None) or error}"
    )


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        address = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
