"""The production server: waitress on one address, with a shutdown that loses no answer."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from ...errors import BottlebankError, UsageError
from ..request_context import HEALTH, HOSTS, SERVICE, is_page
from ..settings import Settings
from ..uploads import max_received_bytes
from .connection import PAUSE_S, Listener
from .request_parser import MAX_HEADER_BYTES, TooBusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..service import Service

_DROPPED_BODY_FACTOR = 4
"""A refused body is received up to so many times the limit, for its client to read the answer."""
_LAST_REQUESTS_S = 0.5
"""After the last connection was accepted: a client may be sending its next request."""
# How long a thread that returns from decoder or network waits for one that computes in Python.
# Python's default of 5 ms is as long as the network takes for an image.
_SWITCH_INTERVAL_S = 0.0005


def serve(
    app: Flask,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: Settings = Settings(),  # noqa: B008 (immutable)
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve an app until SIGTERM or SIGINT, then answer what is in flight and return.

    A second signal ends it at once. SIGHUP counts as SIGTERM where there is a terminal, which may
    have been closed; a service ignores it. Call it from the main thread, which alone gets signals.

    Parameters
    ----------
    app
        From `create_app`.
    host
        Address or name of this machine; `127.0.0.1` is reached from this machine alone, `0.0.0.0`
        from every network. A name is then accepted as `Host`, too.
    port
        0 picks a free one.
    settings
        Limits of the server.
    on_ready
        Called with the address, `http://127.0.0.1:8000/`, once connections are accepted.

    Raises
    ------
    UsageError
        When host or port is invalid.
    BottlebankError
        When the port is in use or not permitted.
    """
    # Waitress warns whenever all threads are busy, which is normal here.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    service: Service = app.extensions[SERVICE]
    app.extensions[HOSTS].allow(host)
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
            if signal.getsignal(each) == stop:
                signal.signal(each, handler)
        server.stop(drain=number != signal.SIGINT)

    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            is_ignored = number == signal.SIGHUP and not _has_terminal()
            earlier[number] = signal.signal(number, signal.SIG_IGN if is_ignored else stop)
        if on_ready is not None:
            on_ready(server.url)
        server.run()
    finally:
        server.close()
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether there is a terminal that sends SIGHUP when it is closed.

    To a service, which has none, it means that settings have changed. Keys and heads are read again
    without it.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


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
        self._sockets: dict[int, Any] = {}
        self._dispatcher = _Dispatcher(settings)
        self._listener = Listener(
            app,
            listener,
            self._sockets,
            Adjustments(
                sockets=[listener],
                ident="",
                max_request_header_size=MAX_HEADER_BYTES,
                max_request_body_size=max(
                    _DROPPED_BODY_FACTOR * settings.max_body_bytes, max_received_bytes(settings) + 1
                ),
                cleanup_interval=1,
                clear_untrusted_proxy_headers=False,  # the app does
                # Never into files: the disk may be full, and memory is bounded.
                inbuf_overflow=sys.maxsize,
                outbuf_overflow=sys.maxsize,
            ),
            self._dispatcher,
            settings,
            self._service.metrics,
        )
        self._service.metrics.watch_queue(lambda: self._dispatcher.n_waiting)

    @property
    def n_waiting(self) -> int:
        """Requests that are complete and wait for a thread."""
        return self._dispatcher.n_waiting

    def run(self) -> None:
        """Answer requests until `stop`, then those in flight for the grace period; then close."""
        try:
            while not self._stopping.is_set():
                self._poll(timeout_s=1)
            self._service.ready = False
            # Load balancers poll `/readyz` before they send requests elsewhere.
            self._poll_until(time.monotonic() + (self._settings.drain_s if self._drain else 0))
            self._listener.stop_listening()
            self._poll_until(time.monotonic() + _LAST_REQUESTS_S)
            deadline = time.monotonic() + self._settings.shutdown_grace_s - _LAST_REQUESTS_S
            while self._in_flight() and time.monotonic() < deadline:
                self._poll(timeout_s=0.1)
        finally:
            self.close()

    def stop(self, *, drain: bool = False) -> None:
        """Make `run` return; from a signal handler or any thread.

        With `drain`, requests are still accepted for a moment, while `/readyz` answers 503.
        """
        self._drain = drain
        self._service.ready = False
        self._listener.ending = True
        self._stopping.set()
        self._listener.pull_trigger()

    def close(self) -> None:
        """Close every connection now. Harmless when already closed."""
        self._dispatcher.shutdown(timeout=1)
        for connection in self._listener.connections():
            connection.handle_close()
        self._listener.close()
        wasyncore.close_all(self._sockets)

    def _poll(self, timeout_s: float) -> None:
        if time.monotonic() < self._listener.some_paused_until:
            timeout_s = min(timeout_s, PAUSE_S)
        # poll() rather than select(), which fails from descriptor 1,024 on.
        wasyncore.loop(timeout_s, use_poll=True, map=self._sockets, count=1)

    def _poll_until(self, when: float) -> None:
        while time.monotonic() < when:
            self._poll(timeout_s=0.1)

    def _in_flight(self) -> bool:
        return any(
            channel.requests or channel.request is not None or channel.total_outbufs_len
            for channel in self._listener.connections()
        )


class _Dispatcher:
    """Waitress's threads, and two more for what must not wait behind images.

    One refuses requests beyond the bound of the queue, and answers the health routes, which matter
    most under load. The other answers pages and their files: a page without its script cannot show
    what is wrong. Floods of either delay only each other. Each connection has at most one waiting.
    """

    def __init__(self, settings: Settings) -> None:
        self._threads = ThreadedTaskDispatcher()
        self._threads.set_thread_count(settings.threads)
        self._max_waiting = settings.queue
        self._beside = ThreadedTaskDispatcher()
        self._beside.set_thread_count(1)
        self._pages = ThreadedTaskDispatcher()
        self._pages.set_thread_count(1)

    @property
    def n_waiting(self) -> int:
        return len(self._threads.queue)

    def add_task(self, channel: Any) -> None:
        """Called when a request is complete, and the one before it is answered."""
        request: Any = channel.requests[0]
        request.arrived = time.monotonic()
        path = channel.path_of(request)
        if request.error is not None or path in HEALTH:
            self._beside.add_task(channel)
        elif is_page(request.command, path):
            self._pages.add_task(channel)
        elif len(self._threads.queue) >= self._max_waiting:
            request.error = TooBusyError("queue")
            self._beside.add_task(channel)
        else:
            self._threads.add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        self._beside.shutdown(cancel_pending, timeout)
        self._pages.shutdown(cancel_pending, timeout)
        return self._threads.shutdown(cancel_pending, timeout)


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
