"""Fetching an image from a URL that a client names, without being robbed.

Whoever names a URL borrows this machine's place in the network, so every step is narrow: listed
host names only, one look-up whose every answer has to be a public address, a connection to that
very address, no redirects, and limits on time and bytes that count from the first step to the last.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, NoReturn, cast

from ..errors import UsageError
from .addresses import is_public
from .errors import RefusedError, quote
from .urls import INSTEAD, PORTS, read_entry, read_url

if TYPE_CHECKING:
    from typing_extensions import Buffer

_log = logging.getLogger(__name__)

Resolve = Callable[..., Iterable[tuple[object, object, object, object, tuple[object, ...]]]]
"""Called and answering like `socket.getaddrinfo`."""
Connect = Callable[[tuple[str, int], float], socket.socket]
"""Called and answering like `socket.create_connection`."""

MAX_LOOKUPS = 16
"""Look-ups of one fetcher at the same time, those included that nobody waits for any more."""

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
        When an entry of `allowed` is no host name, or a limit is not positive.
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
            raise UsageError(f"allowed: expected a list of host names, received {allowed!r}")
        if isinstance(max_bytes, bool) or max_bytes < 1:
            raise UsageError(f"max_bytes: expected at least 1, received {max_bytes!r}")
        if isinstance(timeout_s, bool) or not 0 < timeout_s < math.inf:
            raise UsageError(f"timeout_s: expected more than 0 seconds, received {timeout_s!r}")
        entries = [read_entry(entry, "allowed") for entry in allowed]
        self._names = frozenset(name for name, below in entries if not below)
        self._above = tuple(f".{name}" for name, below in entries if below)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._connect = connect
        self._tls = tls if tls is not None or not entries else ssl.create_default_context()
        self._lookups = threading.BoundedSemaphore(MAX_LOOKUPS)

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
        RefusedError
            With the code `url_disabled` (403), `invalid_url` (400), `url_not_allowed` (403),
            `url_address_refused` (403), `fetch_redirected` (502), `fetch_failed` (502),
            `fetch_too_large` (413) or `fetch_timeout` (504). No message holds anything that the
            other side sent, or an address.
        """
        if not self._names and not self._above:
            raise RefusedError(
                "url_disabled",
                f"fetching an image from a url is switched off here; {INSTEAD}",
                status=403,
            )
        scheme, host, target = read_url(url)
        if host not in self._names and not host.endswith(self._above):
            raise RefusedError(
                "url_not_allowed",
                f"the host {quote(host)} is none that this server fetches from; {INSTEAD}",
                status=403,
            )
        deadline = _Deadline(self._timeout_s)
        try:
            addresses = self._look_up(host, PORTS[scheme], deadline)
            with self._reach(addresses, PORTS[scheme], deadline) as plain:
                if scheme == "http":
                    return self._exchange(plain, host, target, deadline)
                assert self._tls is not None  # made together with the list of hosts
                plain.settimeout(deadline.left_s())
                with self._tls.wrap_socket(plain, server_hostname=host) as secured:
                    return self._exchange(secured, host, target, deadline)
        except RefusedError:
            raise
        except _TooMuchError as error:
            raise error.refusal from None
        except TimeoutError as error:
            raise RefusedError(
                "fetch_timeout",
                f"fetching from {host} took more than {self._timeout_s:g} s; {INSTEAD}",
                status=504,
            ) from error
        except ssl.SSLError as error:
            _fail(f"no trusted https connection with {host} was made", error)
        except (OSError, HTTPException, ValueError, OverflowError) as error:
            _fail(f"{host} was not reached, or did not answer in HTTP to the end", error)

    def _look_up(self, host: str, port: int, deadline: _Deadline) -> list[str]:
        """Addresses of a host in the resolver's order, all of them public; asks once."""
        # getaddrinfo takes no time limit and cannot be interrupted: a thread may be left behind
        # in it, and the semaphore bounds how many are.
        if not self._lookups.acquire(timeout=deadline.left_s()):
            raise TimeoutError
        answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found = self._resolve(host, port, type=socket.SOCK_STREAM)
                answers.put([str(entry[4][0]) for entry in found])
            except Exception as error:  # noqa: BLE001 (handed to the thread that waits)
                answers.put(error)
            finally:
                self._lookups.release()

        try:
            threading.Thread(target=ask, name="bottlebank-lookup", daemon=True).start()
        except RuntimeError as error:
            self._lookups.release()
            _fail("this machine has no thread left to look up a host name", error)
        try:
            answer = answers.get(timeout=deadline.left_s())
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(answer, Exception):
            _fail(f"the host name {host} was not found", answer)
        addresses = list(dict.fromkeys(answer))
        if not addresses:
            _fail(f"the host name {host} was not found")
        refused = [address for address in addresses if not is_public(address)]
        if refused:
            _log.warning("%s has addresses that are not public: %s", host, ", ".join(refused))
            raise RefusedError(
                "url_address_refused",
                f"the host {host} does not resolve to public addresses only; {INSTEAD}",
                status=403,
            )
        return addresses

    def _reach(self, addresses: list[str], port: int, deadline: _Deadline) -> socket.socket:
        """A connection to the first address that takes one; each has its share of the time."""
        for n_left in range(len(addresses), 1, -1):
            try:
                share_s = deadline.left_s() / n_left
                return self._connect((addresses[-n_left], port), share_s)
            except OSError:
                continue
        return self._connect((addresses[-1], port), deadline.left_s())

    def _exchange(self, sock: socket.socket, host: str, target: str, deadline: _Deadline) -> bytes:
        # Neither name nor target has a space or control character: `read_url` saw to that.
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
            f"User-Agent: bottlebank\r\nConnection: close\r\n\r\n"
        )
        sock.settimeout(deadline.left_s())
        sock.sendall(request.encode("ascii"))
        too_large = RefusedError(
            "fetch_too_large",
            f"the file at {host} has more than {self._max_bytes:,} bytes; name a smaller one",
            status=413,
        )
        wire = _Wire(sock, deadline)
        wire.allow(_MAX_HEADER_BYTES, _failure(f"{host} answered with endless headers"))
        with (
            deadline.cutting(sock),
            HTTPResponse(cast("socket.socket", wire), method="GET") as response,
        ):
            response.begin()
            _check_head(host, response)
            declared = response.length
            if declared is not None and declared > self._max_bytes:
                raise too_large
            # Twice, for the frames of chunks. http.client reads a chunk of the size "-1" to the
            # end of the connection, whatever number it is asked for; this stops it.
            wire.allow(2 * self._max_bytes + _MAX_HEADER_BYTES, too_large)
            chunks: list[bytes] = []
            missing = self._max_bytes + 1
            while missing > 0 and (chunk := response.read(min(missing, _CHUNK_BYTES))):
                chunks.append(chunk)
                missing -= len(chunk)
        body = b"".join(chunks)
        if len(body) > self._max_bytes:
            raise too_large
        if declared is not None and len(body) != declared:
            _fail(f"{host} sent fewer bytes than it declared")
        return body


class _Deadline:
    """The end of the time for one fetch."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds that are left, more than 0; `TimeoutError` when none are."""
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    @contextlib.contextmanager
    def cutting(self, sock: socket.socket) -> Generator[None, None, None]:
        """Shut the socket down at the end of the time, which wakes whoever reads from it.

        For TLS, whose reads can outlast their time limit: OpenSSL looks at none as long as session
        tickets keep coming.
        """
        timer = threading.Timer(self.left_s(), _shut_down, [sock])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            # What a cut leaves looks like the end of an answer, or like a failure.
            self.left_s()


class _TooMuchError(Exception):
    """A refusal on its way through http.client, which takes any ValueError for a bad chunk."""

    def __init__(self, refusal: RefusedError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class _Wire(io.RawIOBase):
    """What http.client reads an answer from: no read outlasts the deadline or the allowance.

    A socket's own timeout starts anew with every read, so that a byte a second never meets it;
    here each read has only the time that is left.
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._left_bytes = 0
        self._refusal = RefusedError("fetch_failed", "nothing was allowed", status=502)

    def allow(self, n_bytes: int, refusal: RefusedError) -> None:
        """Let so many further bytes through; what comes after them is refused."""
        self._left_bytes = n_bytes
        self._refusal = refusal

    def makefile(self, mode: str) -> io.BufferedReader:
        """The buffered file that http.client asks a socket for."""
        assert mode == "rb"
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        if self._left_bytes <= 0:
            raise _TooMuchError(self._refusal)
        self._sock.settimeout(self._deadline.left_s())
        n_bytes = self._sock.recv_into(memoryview(buffer)[: self._left_bytes])
        self._left_bytes -= n_bytes
        return n_bytes


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not that of SSLSocket, which would take the session from under a reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _check_head(host: str, response: HTTPResponse) -> None:
    if 300 <= response.status < 400:
        raise RefusedError(
            "fetch_redirected",
            f"{host} answered with a redirect (status {response.status}), which is not followed; "
            f"name the url at which the image is",
            status=502,
        )
    if response.status != 200:
        _fail(f"{host} answered with status {response.status}; expected 200")
    for header, expected in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        for value in response.headers.get_all(header, []):
            # Nothing is decompressed: a few bytes can unpack to gigabytes.
            if value.strip().lower() not in ("", expected):
                _fail(f"{host} answered with a {header} other than {expected}")


def _failure(reason: str) -> RefusedError:
    return RefusedError("fetch_failed", f"{reason}; check the url, or {INSTEAD}", status=502)


def _fail(reason: str, cause: Exception | None = None) -> NoReturn:
    raise _failure(reason) from cause
