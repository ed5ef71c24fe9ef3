"""Fetching an image from a URL that a client names, without giving access to the local network.

Whoever names a URL has this machine connect on their behalf, so every step is narrow: listed host
names only, one look-up whose every answer has to be a public address, a connection to that very
address, no redirects, and limits on time and bytes that count from the first step to the last.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, cast

from ..arguments import received
from ..errors import UsageError
from .public_addresses import is_public
from .terminal import quote
from .urls import INSTEAD, PORTS, FetchError, read_entry, read_url

if TYPE_CHECKING:
    from typing_extensions import Buffer

_log = logging.getLogger(__name__)

Resolve = Callable[..., Iterable[tuple[object, object, object, object, tuple[object, ...]]]]
"""Called and answering like `socket.getaddrinfo`."""
Connect = Callable[[tuple[str, int], float], socket.socket]
"""Called and answering like `socket.create_connection`."""

MAX_AT_ONCE = 16
"""Fetches of one fetcher at the same time, those included that hang in a look-up although nobody
waits for them any more."""

_MAX_HEADER_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 16


class Fetcher:
    """Fetches files from listed hosts, under one limit on bytes and one on time.

    It keeps no connections and no cookies, ignores proxy variables and may be shared by threads.

    Parameters
    ----------
    allowed
        Host names: `images.example.com` is that host alone, `*.example.com` every host below
        `example.com` but not itself. With none, every fetch is refused.
    max_bytes
        The largest file that is fetched.
    timeout_s
        Seconds for everything together: look-up, connecting, TLS, request and answer.
    resolve
        Looks a host name up, as `socket.getaddrinfo` does.
    connect
        Connects to an address, as `socket.create_connection` does.
    tls
        For https; by default the system's authorities are trusted and names are checked.

    Raises
    ------
    UsageError
        When an entry of `allowed` is not a host name, or a limit is not positive.
    """

    def __init__(
        self,
        allowed: Sequence[str],
        *,
        max_bytes: int,
        timeout_s: float = 5.0,
        resolve: Resolve = socket.getaddrinfo,
        connect: Connect = socket.create_connection,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if isinstance(allowed, str):
            raise UsageError(
                f"allowed: expected a list of host names, received {received(allowed)}"
            )
        if isinstance(max_bytes, bool) or max_bytes < 1:
            raise UsageError(f"max_bytes: expected at least 1, received {received(max_bytes)}")
        if isinstance(timeout_s, bool) or not 0 < timeout_s < math.inf:
            raise UsageError(
                f"timeout_s: expected more than 0 seconds, received {received(timeout_s)}"
            )
        entries = [read_entry(entry, "allowed") for entry in allowed]
        self._names = frozenset(name for name, below in entries if not below)
        self._above = tuple(f".{name}" for name, below in entries if below)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._connect = connect
        self._tls = tls if tls is not None or not entries else ssl.create_default_context()
        self._free = threading.BoundedSemaphore(MAX_AT_ONCE)

    def fetch(self, url: str) -> bytes:
        """Fetch one file.

        Parameters
        ----------
        url
            http or https, at the scheme's own port, of a host that is allowed.

        Returns
        -------
        bytes
            The body of the answer, whatever it is: decoding decides whether it is an image.

        Raises
        ------
        FetchError
            With the code `url_disabled`, `invalid_url`, `url_not_allowed`, `url_address_refused`,
            `fetch_redirected`, `fetch_failed`, `fetch_too_large` or `fetch_timeout`. No message
            holds anything that the other server sent, or an address.
        """
        if not self._names and not self._above:
            raise FetchError(
                "url_disabled",
                f"fetching an image from a url is switched off here; {INSTEAD}",
            )
        scheme, host, target = read_url(url)
        if host not in self._names and not host.endswith(self._above):
            raise FetchError(
                "url_not_allowed",
                f"the host {quote(host)} is none that this server fetches from; {INSTEAD}",
            )
        try:
            return self._within_time(lambda attempt: self._get(attempt, scheme, host, target))
        except FetchError:
            raise
        except TimeoutError as error:
            raise FetchError(
                "fetch_timeout",
                f"fetching from {host} took more than {self._timeout_s:g} s; {INSTEAD}",
            ) from error
        except ssl.SSLError as error:
            raise _failed(f"no trusted https connection with {host} was made") from error
        except (OSError, HTTPException, ValueError, OverflowError) as error:
            raise _failed(
                f"{host} was not reached, or did not answer in HTTP to the end"
            ) from error

    def _within_time(self, get: Callable[[_Attempt], bytes]) -> bytes:
        """Run a fetch in a thread, and give it up when its time is over.

        `getaddrinfo` takes no time limit, a socket's starts anew with every byte, and OpenSSL looks
        at none while session tickets keep coming. So the time is kept outside of them all.
        """
        attempt = _Attempt(time.monotonic() + self._timeout_s)
        if not self._free.acquire(timeout=self._timeout_s):
            raise TimeoutError
        body: Future[bytes] = Future()

        def run() -> None:
            try:
                body.set_result(get(attempt))
            except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
                body.set_exception(error)
            finally:
                self._free.release()

        try:
            threading.Thread(target=run, name="bottlebank-fetch", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise _failed("this machine has no thread left to fetch in") from error
        try:
            return body.result(attempt.left_s())
        finally:
            attempt.end()

    def _get(self, attempt: _Attempt, scheme: str, host: str, target: str) -> bytes:
        addresses = self._look_up(host, PORTS[scheme])
        with self._reach(addresses, PORTS[scheme], attempt) as plain:
            attempt.hold(plain)
            if scheme == "http":
                return self._exchange(plain, host, target)
            assert self._tls is not None  # made together with the list of hosts
            with self._tls.wrap_socket(plain, server_hostname=host) as secured:
                attempt.hold(secured)
                return self._exchange(secured, host, target)

    def _look_up(self, host: str, port: int) -> list[str]:
        """Addresses of a host in the resolver's order, all of them public; asks once."""
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except Exception as error:
            raise _failed(f"the host name {host} was not found") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not addresses:
            raise _failed(f"the host name {host} was not found")
        refused = [address for address in addresses if not is_public(address)]
        if refused:
            _log.warning("%s has addresses that are not public: %s", host, ", ".join(refused))
            raise FetchError(
                "url_address_refused",
                f"the host {host} does not resolve to public addresses only; {INSTEAD}",
            )
        return addresses

    def _reach(self, addresses: list[str], port: int, attempt: _Attempt) -> socket.socket:
        """A connection to the first address that takes one; each has its share of the time."""
        for n_left in range(len(addresses), 1, -1):
            with contextlib.suppress(OSError):
                return self._connect((addresses[-n_left], port), attempt.left_s() / n_left)
        return self._connect((addresses[-1], port), attempt.left_s())

    def _exchange(self, sock: socket.socket, host: str, target: str) -> bytes:
        # Neither name nor target has a space or control character: `read_url` saw to that.
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
            f"User-Agent: bottlebank\r\nConnection: close\r\n\r\n"
        )
        sock.sendall(request.encode("ascii"))
        too_large = FetchError(
            "fetch_too_large",
            f"the file at {host} has more than {self._max_bytes:,} bytes; name a smaller one",
        )
        wire = _Wire(sock, _MAX_HEADER_BYTES)
        with HTTPResponse(cast("socket.socket", wire), method="GET") as response:
            try:
                response.begin()
            except _TooManyBytesError:
                raise _failed(f"{host} answered with endless headers") from None
            _check_head(host, response)
            declared = response.length
            if declared is not None and declared > self._max_bytes:
                raise too_large
            # Twice, for the frames of chunks. http.client reads a chunk of the size "-1" to the
            # end of the connection, whatever number it is asked for; this stops it.
            wire.left_bytes = 2 * self._max_bytes + _MAX_HEADER_BYTES
            chunks: list[bytes] = []
            missing = self._max_bytes + 1
            try:
                while missing > 0 and (chunk := response.read(min(missing, _CHUNK_BYTES))):
                    chunks.append(chunk)
                    missing -= len(chunk)
            except _TooManyBytesError:
                raise too_large from None
        body = b"".join(chunks)
        if len(body) > self._max_bytes:
            raise too_large
        if declared is not None and len(body) != declared:
            raise _failed(f"{host} sent fewer bytes than it declared")
        return body


class _Attempt:
    """One fetch: when its time is over, and the socket that is shut down then."""

    def __init__(self, end: float) -> None:
        self._end = end
        self._socket: socket.socket | None = None
        self._over = threading.Event()

    def left_s(self) -> float:
        """Seconds that are left, more than 0; `TimeoutError` when none are."""
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def hold(self, sock: socket.socket) -> None:
        """Note the socket in use; at once shut down where the time is over."""
        sock.settimeout(self.left_s())
        self._socket = sock
        if self._over.is_set():
            self.end()

    def end(self) -> None:
        """Wake the thread where it still reads from the socket; harmless when it does not."""
        self._over.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not that of SSLSocket, which would take the session from under a reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _TooManyBytesError(Exception):
    """Signal; no ValueError, which http.client would take for a bad chunk."""


class _Wire(io.RawIOBase):
    """What http.client reads an answer from, with a bound on the bytes that come through."""

    def __init__(self, sock: socket.socket, left_bytes: int) -> None:
        super().__init__()
        self._sock = sock
        self.left_bytes = left_bytes

    def makefile(self, mode: str) -> io.BufferedReader:
        """The buffered file that http.client asks a socket for."""
        assert mode == "rb"
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        if self.left_bytes <= 0:
            raise _TooManyBytesError
        n_bytes = self._sock.recv_into(memoryview(buffer)[: self.left_bytes])
        self.left_bytes -= n_bytes
        return n_bytes


def _check_head(host: str, response: HTTPResponse) -> None:
    if 300 <= response.status < 400:
        raise FetchError(
            "fetch_redirected",
            f"{host} answered with a redirect (status {response.status}), which is not followed; "
            f"name the url at which the image is",
        )
    if response.status != 200:
        raise _failed(f"{host} answered with status {response.status}; expected 200")
    for header, expected in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        for value in response.headers.get_all(header, []):
            # Nothing is decompressed: a few bytes can unpack to gigabytes.
            if value.strip().lower() not in ("", expected):
                raise _failed(f"{host} answered with a {header} other than {expected}")


def _failed(reason: str) -> FetchError:
    return FetchError("fetch_failed", f"{reason}; check the url, or {INSTEAD}")
