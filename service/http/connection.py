"""Connections: how much is read at a time, how long it may take, and which one makes room."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from ..access.origins import Origins
from ..access.proxies import Proxies
from ..admission import ADMISSION
from ..uploads import max_received_bytes
from .file_descriptors import max_connections
from .request_parser import BodyMemory, RequestParser, RequestTimeoutError, TooBusyError
from .tasks import RefusalTask, Task

if TYPE_CHECKING:
    from flask import Flask
    from waitress.adjustments import Adjustments
    from waitress.utilities import Error as WaitressError

    from ..admission import Admission
    from ..metrics import Metrics
    from ..settings import Settings

# Each piece of framing costs work in Python, and all other connections wait for it. Of a body, most
# photographs come as one piece.
_FRAMING_PIECE_BYTES = 8 << 10
_BODY_PIECE_BYTES = 64 << 10
_MIN_BYTES_PER_S = 1000
# A read costs the same, however few bytes it returns. A client that keeps sending a few bytes at a
# time is read less often, so that they collect in the kernel.
_SMALL_PIECE_BYTES = 512
_MAX_SMALL_PIECES = 8
PAUSE_S = 0.02
_SO_ATTACH_FILTER = 26
# How long, and how much, a client that was refused may go on sending.
_LINGER_S = 2
_LINGER_BYTES = 1 << 20
# Where memory is short, a body that has taken longer is given up: it may never end.
_STALLING_AFTER_S = 10
# Of answers that clients have not read; an ordinary one fits into the kernel's buffer.
_MAX_UNSENT_BYTES = 64 << 20


class Connection(HTTPChannel):
    """A client's connection. Methods are called by the server's thread."""

    task_class = Task
    error_task_class = RefusalTask
    # Attributes of waitress that its stubs lack or type differently.
    server: Any
    request: Any
    requests: Any
    requests_lock: Any
    parser_class: Any
    socket: Any
    will_close: bool
    lingers = False
    """Whether to close it only once its client has seen the answer: closed with unread data, the
    kernel resets it, and the answer is lost."""

    def __init__(
        self,
        server: Listener,
        sock: socket.socket,
        addr: tuple[str, int],
        adj: Adjustments,
        map: dict[int, Any] | None = None,
    ) -> None:
        """See waitress."""
        self.parser_class = partial(
            RequestParser,
            max_received_bytes=max_received_bytes(server.settings),
            held=server.held,
            is_read=server.admission.is_known,
        )
        self._begun = 0.0
        self._ends_at: float | None = None
        self._n_dropped = 0
        self._n_small_pieces = 0
        self._paused_until = 0.0
        super().__init__(server, sock, addr, adj, map=map)

    def readable(self) -> bool:
        """Called in each turn of the loop."""
        if self._paused_until and time.monotonic() < self._paused_until:
            return False
        return self._ends_at is not None or super().readable()

    def handle_write(self) -> None:
        """Send what there is; at the end of a refusal, wait for the client to hang up."""
        if not (self.lingers and self.close_when_flushed):
            super().handle_write()
            return
        self.close_when_flushed = False
        super().handle_write()
        if self.total_outbufs_len:
            self.close_when_flushed = True
        elif self.connected:
            self._ends_at = time.time() + _LINGER_S
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def handle_read(self) -> None:
        """Read a piece of framing, and in the same turn a piece of the body behind it."""
        for n_bytes in (self._piece_bytes(), _BODY_PIECE_BYTES):
            try:
                data = self.recv(n_bytes)
            except BlockingIOError:
                return
            except OSError:
                self.handle_close()
                return
            if not data:
                self.connected = False
                if self._ends_at is not None:
                    self.handle_close()
                return
            self._pause_after(len(data))
            if self._ends_at is not None:
                self._n_dropped += len(data)
                if self._n_dropped > _LINGER_BYTES:
                    self.handle_close()
                return
            self.last_activity = time.time()
            if self.request is None:
                self._begun = self.last_activity
                self._n_small_pieces = 0
            self.received(data)
            if self._piece_bytes() < _BODY_PIECE_BYTES:
                return

    def _pause_after(self, n_bytes: int) -> None:
        if n_bytes >= _SMALL_PIECE_BYTES:
            return
        self._n_small_pieces += 1
        if self._n_small_pieces > _MAX_SMALL_PIECES:
            self._paused_until = self.server.some_paused_until = time.monotonic() + PAUSE_S

    def _piece_bytes(self) -> int:
        if self._ends_at is not None:
            return _BODY_PIECE_BYTES
        request: Any = self.request
        receiver = None if request is None else request.body_rcv
        if request is None or receiver is None:
            return _FRAMING_PIECE_BYTES
        if not request.chunked:
            return _BODY_PIECE_BYTES
        return min(max(receiver.chunk_remainder, _FRAMING_PIECE_BYTES), _BODY_PIECE_BYTES)

    def handle_close(self) -> None:
        """Close, and free a body that will not be answered."""
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def path_of(self, request: Any) -> str:
        """The path of a request of it, without the prefix of a proxy."""
        prefix = request.headers.get("X_FORWARDED_PREFIX", "")
        return self.server.proxies.path_within(request.path, str(self.addr[0]), prefix)

    @property
    def awaits_its_client(self) -> bool:
        """Whether no request of it is being answered."""
        return not self.requests and not self.total_outbufs_len

    def eviction_rank(self) -> tuple[bool, float]:
        """Sorts the connection first that is closed for another: idle ones, then the slowest."""
        return self.request is not None, self.last_activity if self.request is None else self._begun

    def check_time(self, now: float) -> None:
        """Give up a client that does not send, or does not read, in time."""
        settings = self.server.settings
        if self._ends_at is not None:
            if now > self._ends_at:
                self.hang_up()
            return
        if self.requests:
            return
        if self.request is None or self.total_outbufs_len:
            if now - self.last_activity > settings.channel_timeout_s:
                self.hang_up()
            return
        most_s = settings.header_timeout_s
        if self.request.headers_finished:
            n_received = self.request.body_bytes_received
            most_s = settings.channel_timeout_s + n_received / _MIN_BYTES_PER_S
        if now - self._begun > most_s:
            self._give_up(RequestTimeoutError(""))

    def hang_up(self) -> None:
        """Have the loop close the connection at its next event, which this causes.

        Closed at once, a new one could get the same descriptor and this one's events. Without an
        event, a client that reads nothing would never let the loop write, and so close.
        """
        self.will_close = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def is_stalling(self, now: float) -> bool:
        """Whether it holds an incomplete body in memory that others may need.

        Not while an earlier request is being answered: the refusal would have to wait for that.
        """
        return (
            self.request is not None
            and not self.requests
            and self.request.n_held > 0
            and now - self._begun > _STALLING_AFTER_S
        )

    def evict_body(self) -> None:
        """Refuse the request whose body is incomplete, and free its memory."""
        self._give_up(TooBusyError("bodies"))

    def _give_up(self, refusal: WaitressError) -> None:
        with self.requests_lock:
            late, self.request = self.request, None
            late.give_up(refusal)
            self.requests.append(late)
            self.server.add_task(self)


class Listener(TcpWSGIServer):
    """Accepts connections up to a limit; beyond it, a new one takes the place of an idle one."""

    channel_class = Connection
    active_channels: Any
    socket: Any
    next_channel_cleanup: Any

    def __init__(
        self,
        app: Flask,
        listener: socket.socket,
        sockets: dict[int, Any],
        adj: Adjustments,
        dispatcher: Any,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Connections wait in the kernel from here on."""
        self.settings = settings
        self.metrics = metrics
        self.admission: Admission = app.extensions[ADMISSION]
        self.proxies = Proxies(settings.trusted_proxies, settings.prefix)
        self.origins = Origins(settings.cors_origins)
        self.held = BodyMemory(settings.max_held_bytes, self._evict_a_body)
        self.ending = False
        self.some_paused_until = 0.0
        """Until then, by `time.monotonic`, a connection may become readable without an event."""
        self._max_connections = max_connections(settings.connection_limit)
        self._closed = False
        # Reentrant: a signal handler may run in the thread that is closing.
        self._closing = threading.RLock()
        info = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app, sockets, _sock=listener, dispatcher=dispatcher, adj=adj, sockinfo=info,
            bind_socket=False,
        )  # fmt: skip

    def connections(self) -> list[Connection]:
        """All that are open."""
        return list(self.active_channels.values())

    def readable(self) -> bool:
        """Called in each turn of the loop."""
        now = time.time()
        if now >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            for connection in self.connections():
                connection.check_time(now)
            self._bound_unsent()
        return self.accepting

    def _bound_unsent(self) -> None:
        """Hang up on the clients that have not read their answers for longest."""
        waiting = [each for each in self.connections() if each.total_outbufs_len]
        n_bytes = sum(each.total_outbufs_len for each in waiting)
        for connection in sorted(waiting, key=lambda each: each.last_activity):
            if n_bytes <= _MAX_UNSENT_BYTES:
                return
            n_bytes -= connection.total_outbufs_len
            connection.hang_up()

    def _evict_a_body(self, parser: RequestParser) -> bool:
        now = time.time()
        others = [each for each in self.connections() if each.request is not parser]
        stalled = [each for each in others if each.is_stalling(now)]
        if not stalled:
            return False
        min(stalled, key=Connection.eviction_rank).evict_body()
        return True

    def handle_accept(self) -> None:
        """Accept a connection; where there are too many, another one is closed."""
        if len(self._not_closing()) >= self._max_connections:
            self._evict()
        super().handle_accept()

    def accept(self) -> Any:
        """See `socket.accept`; None when there is nothing to accept."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            one_leaves = len(self._not_closing()) < len(self.active_channels)
            if not one_leaves and not self._evict():
                raise
            return None  # with a later turn of the loop

    def _not_closing(self) -> list[Connection]:
        return [each for each in self.connections() if not each.will_close]

    def _evict(self) -> bool:
        waiting = [each for each in self._not_closing() if each.awaits_its_client]
        if not waiting:
            return False
        min(waiting, key=Connection.eviction_rank).hang_up()
        return True

    def stop_listening(self) -> None:
        """Accept what has connected already, and nothing after it."""
        _refuse_connections(self.socket)
        n_open = -1
        while n_open != len(self.active_channels):
            n_open = len(self.active_channels)
            self.handle_accept()
        self.accepting = False
        self.del_channel()
        with contextlib.suppress(OSError):
            self.socket.close()

    def pull_trigger(self) -> None:
        """Wake the loop, from any thread; harmless once it has ended."""
        with self._closing:  # the descriptor may be another file's by now
            if not self._closed:
                super().pull_trigger()

    def close(self) -> None:
        """Harmless when closed."""
        with self._closing:
            if not self._closed:
                self._closed = True
                super().close()


def _refuse_connections(listener: socket.socket) -> None:
    """Have the kernel drop new connections, on Linux.

    Whoever connects between the last `accept` and `close` would have their request reset. With a
    packet filter of one instruction, "drop", they retry and find the port closed.
    """
    if sys.platform != "linux":
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K
    program = struct.pack("HP", 1, ctypes.addressof(drop))  # struct sock_fprog
    with contextlib.suppress(OSError):  # not every sandbox permits it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
