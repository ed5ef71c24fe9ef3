from __future__ import annotations

import sys

import pytest
from waitress.adjustments import Adjustments

from bottlebank.service.http.request_parser import MAX_HEADER_BYTES, BodyMemory, RequestParser

HEAD = b"POST /predict?top=2 HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data, step=None, max_received_bytes=100_000, held=None):
    """A request that is complete, and what follows it; (None, b"") where it is not complete."""
    held = held or BodyMemory(1 << 30)
    adjustments = Adjustments(
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=4 * max_received_bytes,
        inbuf_overflow=sys.maxsize,
    )
    reader = RequestParser(adjustments, max_received_bytes, held)
    step = step or len(data)
    for first in range(0, len(data), step):
        rest = data[first : first + step]
        while rest and not reader.completed:
            rest = rest[reader.received(rest) :]
        if reader.completed:
            return reader, rest + data[first + step :]
    return None, b""


def body_of(request):
    return request.get_body_stream().read()


def refusal(data, step=None, **limits):
    request, _ = read(data, step, **limits)
    assert request is not None, "neither refused nor complete"
    assert request.error is not None, "taken"
    return request.error.code, request.error.body


@pytest.mark.parametrize("step", [None, 1, 2, 7])
@pytest.mark.parametrize(
    ("data", "body", "rest"),
    [
        (HEAD + b"\r\n", b"", b""),
        (HEAD + b"\r\nGET / HTTP/1.1\r\n\r\n", b"", b"GET / HTTP/1.1\r\n\r\n"),
        (HEAD + b"Content-Length: 5\r\n\r\nabcdeGET", b"abcde", b"GET"),
        (HEAD + b"Content-Length:  5 \r\n\r\n\r\n\r\n\r", b"\r\n\r\n\r", b""),
        (b"\r\n" + HEAD + b"Content-Length: 2\r\n\r\nab", b"ab", b""),
        (CHUNKED + b"3\r\nabc\r\n2;name=value\r\nde\r\n0\r\nTrailer: x\r\n\r\n", b"abcde", b""),
        (
            HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
            b"abc",
            b"",
        ),
    ],
)
def test_a_request_in_pieces_of_any_size(data, body, rest, step):
    request, following = read(data, step)
    assert (request.command, request.path, request.query) == ("POST", "/predict", "top=2")
    assert request.headers["HOST"] == "a"
    assert (request.error, body_of(request), following) == (None, body, rest)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"", True),
        (b"Connection: close\r\n", False),
    ],
)
def test_whether_the_connection_is_used_again(headers, expected):
    assert read(HEAD + headers + b"\r\n")[0].connection_close is not expected


@pytest.mark.parametrize("keep_alive", [False, True])
def test_http_1_0_ends_unless_it_says_otherwise(keep_alive):
    asked = b"Connection: keep-alive\r\n" if keep_alive else b""
    request, _ = read(b"GET / HTTP/1.0\r\n" + asked + b"\r\n")
    assert request.connection_close is not keep_alive


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: " + b"9" * 19,
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: 5 5",
        b"Content-Length: 5, 5",
        b"Content-Length:",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: \x0bchunked",
        b" Transfer-Encoding: chunked",
        b"X: a\r\n folded",
        b"X: a\nY: b",
        b"X: a\rY: b",
        b"X: a\x00b",
        b"X y: a",
        b": a",
        b"no header",
        b"Host: b",
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_what_two_servers_could_read_differently_is_refused(headers, step):
    assert refusal(HEAD + headers + b"\r\n\r\n0\r\n\r\n", step)[0] in (400, 413, 501)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /",
        b"GET / HTTP/0.9",
        b"GET / HTTP/2.0",
        b"PRI * HTTP/2.0",
        b"GET  / HTTP/1.1 ",
        b"GET /a b HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_a_first_line_that_is_none(line):
    assert refusal(line + b"\r\n\r\n")[0] == 400


@pytest.mark.parametrize("size", [b"0x5", b"-5", b"+5", b" 5", b"g", b"5\n", b"5;a=b\n"])
def test_a_chunk_size_that_is_none(size):
    assert refusal(CHUNKED + size + b"\r\nabcde\r\n0\r\n\r\n")[0] == 400


@pytest.mark.parametrize("step", [None, 1000, 65536])
@pytest.mark.parametrize(
    "flood",
    [
        b"GET /" + b"a" * 300_000,
        HEAD + b"a" * 300_000,
        HEAD + b"a: b\r\n" * 50_000,
        HEAD + b"a: " + b"b" * 300_000,
        HEAD + b"a: b\r\n" + b" c\r\n" * 50_000,
    ],
    ids=["target", "name", "many", "value", "folded"],
)
def test_headers_are_read_to_a_limit(flood, step):
    assert refusal(flood + b"\r\n\r\n", step)[0] == 431


def test_more_headers_than_anyone_sends():
    assert refusal(HEAD + b"a: b\r\n" * 101 + b"\r\n") == (400, "more than 100 headers")


@pytest.mark.parametrize("step", [None, 1000, 65536])
@pytest.mark.parametrize(
    "flood",
    [
        b"1\r\na\r\n" * 50_000,
        b"1" + b";a=b" * 50_000,
        b"0" * 300_000,
        b"0\r\n" + b"a: b\r\n" * 50_000,
        b"0\r\n" + b"a" * 300_000,
    ],
    ids=["tiny", "extensions", "size", "trailers", "trailer"],
)
def test_what_frames_chunks_is_bounded(flood, step):
    assert refusal(CHUNKED + flood, step)[0] == 400


def test_chunks_of_a_file_line_by_line():
    chunks = [bytes([65 + number % 26]) * (20 + number % 400) for number in range(400)]
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    request, _ = read(CHUNKED + data + b"0\r\n\r\n", 3000)
    assert body_of(request) == b"".join(chunks)


@pytest.mark.parametrize("step", [None, 5000])
def test_a_body_that_is_too_large_is_received_to_its_end_and_dropped(step):
    held = BodyMemory(1 << 30)
    data = HEAD + b"Content-Length: 100001\r\n\r\n" + bytes(100_001)
    assert read(data[:-1], step, held=held)[0] is None
    assert refusal(data, step, held=held)[0] == 413
    chunks = b"2000\r\n" + bytes(0x2000) + b"\r\n"
    assert refusal(CHUNKED + chunks * 13 + b"0\r\n\r\n", step, held=held)[0] == 413
    assert held.n_bytes == 0


def test_what_is_far_too_large_is_not_waited_for():
    assert refusal(HEAD + b"Content-Length: 400001\r\n\r\n")[0] == 413
    chunks = b"2000\r\n" + bytes(0x2000) + b"\r\n"
    assert refusal(CHUNKED + chunks * 50, 5000)[0] == 413


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("size", [b"f" * 18, b"F" * 4000, b"61a80", b"0061a80;a=b"])
def test_a_chunk_that_is_announced_far_too_large_is_not_waited_for(size, step):
    held = BodyMemory(1 << 30)
    assert refusal(CHUNKED + b"3\r\nabc\r\n" + size + b"\r\n", step, held=held)[0] == 413


@pytest.mark.parametrize("step", [None, 1000])
def test_a_chunk_that_is_announced_too_large_is_dropped_as_it_arrives(step):
    held = BodyMemory(1000)  # no room for what is refused in any case
    data = CHUNKED + b"186a1\r\n" + bytes(100_001) + b"\r\n0\r\n\r\n"
    assert read(data[:-1], step, held=held)[0] is None
    assert held.n_bytes == 0
    assert refusal(data, step)[0] == 413
    exactly = CHUNKED + b"186a0\r\n" + bytes(100_000) + b"\r\n0\r\n\r\n"
    assert read(exactly, step)[0].error is None


@pytest.mark.parametrize("start", [HEAD + b"Content-Length: 9000\r\n\r\n", CHUNKED + b"2328\r\n"])
def test_bodies_have_their_room_together(start):
    held = BodyMemory(10_000)
    end = b"\r\n0\r\n\r\n" if start.startswith(CHUNKED) else b""
    first, _ = read(start + bytes(9000) + end, 1000, held=held)
    assert (first.error, held.n_bytes) == (None, 9000)
    assert refusal(start + bytes(9000) + end, 1000, held=held) == (503, "bodies")
    assert held.n_bytes == 9000
    first.close()
    first.close()
    assert held.n_bytes == 0
    assert read(start + bytes(9000) + end, 1000, held=held)[0].error is None


@pytest.mark.parametrize("step", [None, 1])
def test_empty_lines_are_no_request(step):
    assert refusal(b"\r\n" * 100, step) == (400, "Empty lines before a request")
    assert body_of(read(b"\r\n" + HEAD + b"Content-Length: 2\r\n\r\nab", step)[0]) == b"ab"
