"""Parsing a request: each part is bounded, and nothing that is ambiguous is accepted."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any

from waitress import receiver
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, RequestEntityTooLarge
from waitress.utilities import Error as WaitressError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waitress.adjustments import Adjustments

MAX_HEADER_BYTES = 16 << 10
MAX_HEADERS = 100

_MAX_EMPTY_LINES_BYTES = 64
_FRAMING_SHARE = 4
"""Chunk framing may have a quarter of the bytes in the chunks, beyond the size of a header."""
_TRANSFER_ENCODING = re.compile(rb"(?im)^transfer-encoding[ \t]*:[ \t]*(.*?)[ \t]*\r?$")
_FOLDED = re.compile(rb"\n[ \t]")
# Waitress's own patterns end in "$", which also matches before a line feed, where another server
# could see the end of the line.
_of_chunks: Any = receiver
_of_chunks.ONLY_HEXDIG_RE = re.compile(rb"[0-9a-fA-F]+\Z")
_of_chunks.CHUNK_EXT_RE = re.compile(_of_chunks.CHUNK_EXT_RE.pattern.removesuffix(b"$") + rb"\Z")


class TooBusyError(WaitressError):
    """Signal to waitress: too many requests wait, or their bodies need too much memory together."""

    code = 503
    reason = "Service Unavailable"


class RequestTimeoutError(WaitressError):
    """Signal to waitress: a request that did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class BodyMemory:
    """Bytes of all bodies in memory, between their arrival and their answer."""

    def __init__(
        self, max_bytes: int, make_room: Callable[[RequestParser], bool] = lambda parser: False
    ) -> None:
        """At most `max_bytes` at a time; `make_room` frees some for a request, if it can."""
        self._max_bytes = max_bytes
        self._evict = make_room
        self._lock = threading.Lock()
        self.n_bytes = 0

    def add(self, n_bytes: int, parser: RequestParser) -> bool:
        """Count bytes that have arrived; False where there is no room for them."""
        with self._lock:
            self.n_bytes += n_bytes
        while self.n_bytes > self._max_bytes:
            if not self._evict(parser):
                return False
        return True

    def release(self, n_bytes: int) -> None:
        """Count bytes that were freed."""
        with self._lock:
            self.n_bytes -= n_bytes


class _Dropped:
    """In place of a buffer: only counts the bytes of a body that nobody will read."""

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes

    def append(self, data: bytes) -> None:
        self._n_bytes += len(data)

    def getfile(self) -> io.BytesIO:
        """What the app would read of it."""
        return io.BytesIO()

    def __len__(self) -> int:
        return self._n_bytes

    def close(self) -> None:
        """Nothing to close."""


class RequestParser(HTTPRequestParser):
    """One request as it arrives.

    A body that is too large, or has no room, is received to its end, dropped and then refused: most
    clients read an answer only after they have sent the whole body. One that is far too large ends
    the connection.
    """

    # What an answer and the log need where not even the first line could be read.
    version = "1.1"
    path = ""
    command: Any = None

    def __init__(
        self,
        adj: Adjustments,
        max_received_bytes: int,
        held: BodyMemory,
        is_read: Callable[[Mapping[str, str]], bool] = lambda headers: True,
    ) -> None:
        """See `BodyMemory`; a body of more than `max_received_bytes` is dropped.

        `is_read` says by the headers whether the app will read the body. Others are not kept, and
        the app refuses the request.
        """
        super().__init__(adj)
        self._is_read = is_read
        self.is_kept = True
        """Whether the app gets the body, if there is one."""
        self._max_received_bytes = max_received_bytes
        self._held = held
        self.n_held = 0
        """Bytes of its body that are in memory."""
        self._n_empty = 0
        self._refusal: WaitressError | None = None

    def received(self, data: bytes) -> int:
        """Take what belongs to this request, and return how many bytes that was."""
        if self.body_rcv is not None:
            return self._body_received(data)
        n_before = 0
        if not self.header_plus:  # clients may send an empty line after a request
            n_before = len(data) - len(data.lstrip(b"\r\n"))
            self._n_empty += n_before
            if self._n_empty > _MAX_EMPTY_LINES_BYTES:
                self._refuse_at_once("Empty lines before a request")
                return len(data)
            data = data[n_before:]
            if not data:
                return n_before
        n_header = super().received(data)
        if self.body_rcv is not None and not self.completed:
            if not self._is_read(self.headers):
                self._free()
                self.is_kept = False
            if self.content_length:
                self._check_size(self.content_length)
        return n_before + n_header

    def _body_received(self, data: bytes) -> int:
        body: Any = self.body_rcv
        n_taken = super().received(data)
        n_new = len(body) - self.n_held
        n_announced = len(body) + (body.chunk_remainder if self.chunked else 0)
        if n_announced >= self.adj.max_request_body_size and not self.completed:
            self.error = RequestEntityTooLarge("the body")  # it would be waited for
            self.completed = True
        elif self._refusal is None:
            if self.is_kept:
                self.n_held += n_new
            if self.is_kept and not self._held.add(n_new, self):
                self._drop(TooBusyError("bodies"))
            else:
                self._check_size(n_announced)
        framing = self.body_bytes_received - len(body)
        if framing > MAX_HEADER_BYTES + len(body) // _FRAMING_SHARE and not self.completed:
            self._refuse_at_once("Chunks are mostly framing")
        if self.completed and self.error is None:
            self.error = self._refusal
        return n_taken

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header; refuse what another server could read differently."""
        if header_plus.count(b"\n") > MAX_HEADERS + 1:
            raise ParsingError(f"more than {MAX_HEADERS} headers")
        if _FOLDED.search(header_plus):
            raise ParsingError("a header goes on in another line")
        encodings = _TRANSFER_ENCODING.findall(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError:  # Python reads no number of more than 4,300 digits
            raise ParsingError("Content-Length is invalid") from None
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("expected HTTP/1.1")
        if encodings and (
            self.version == "1.0"
            or [encoding.lower() for encoding in encodings] != [b"chunked"]
            or "CONTENT_LENGTH" in self.headers
        ):
            raise ParsingError("Transfer-Encoding is ambiguous")
        if "," in self.headers.get("HOST", ""):
            raise ParsingError("more than one Host")

    def close(self) -> None:
        """Free the body. Harmless when closed."""
        self._held.release(self.n_held)
        self.n_held = 0
        super().close()

    def give_up(self, refusal: WaitressError) -> None:
        """Refuse it before it is complete, and free what has arrived."""
        if self.body_rcv is not None:
            self._drop(refusal)
        self.error = refusal

    def _check_size(self, n_bytes: int) -> None:
        if n_bytes > self._max_received_bytes:
            self._drop(RequestEntityTooLarge("the body"))

    def _drop(self, refusal: WaitressError) -> None:
        self._refusal = refusal
        self._free()

    def _free(self) -> None:
        body: Any = self.body_rcv
        n_bytes = len(body)
        body.buf.close()
        body.buf = _Dropped(n_bytes)
        self._held.release(self.n_held)
        self.n_held = 0

    def _refuse_at_once(self, reason: str) -> None:
        self.error = BadRequest(reason)
        self.completed = True
