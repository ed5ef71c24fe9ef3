from __future__ import annotations

import contextlib
import gzip
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottlebank.errors import UsageError
from bottlebank.untrusted.fetch import MAX_AT_ONCE, Fetcher
from bottlebank.untrusted.public_addresses import is_public
from bottlebank.untrusted.urls import FetchError

HOST = "images.example.com"
ALLOWED = (HOST, "*.cdn.example.net", "bücher.example")
PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
IMAGE = bytes(range(256)) * 40
MAX_BYTES = 20_000
TIMEOUT_S = 0.3
# What a busy machine may add to the limit; without a limit the slow servers go on for ever.
SLACK_S = 1.2
UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Names:
    """A resolver that keeps what it was asked; each name has one answer per question."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, host, port, **hints):
        self.asked.append((host, port))
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]


class Wires:
    """Connects to a local port in place of any address, and keeps the addresses."""

    def __init__(self, port, failing=()):
        self.port = port
        self.failing = failing
        self.reached = []

    def __call__(self, address, timeout_s):
        self.reached.append(address)
        if address[0] in self.failing:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


class Upstream:
    """A server on 127.0.0.1 that reads a request and leaves the rest to a script."""

    def __init__(self, script, tls=None, reads=True):
        self.script = script
        self.tls = tls
        self.reads = reads
        self.requests = []
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            conn, _ = self.listener.accept()
            # The client hangs up on most of what is served here.
            with conn, contextlib.suppress(OSError):
                conn.settimeout(5)
                self.serve(conn)

    def serve(self, conn):
        if self.tls is not None:
            conn = self.tls.wrap_socket(conn, server_side=True)
        with conn:
            received = b""
            while self.reads and b"\r\n\r\n" not in received:
                data = conn.recv(65536)
                if not data:
                    return
                received += data
            self.requests.append(received)
            self.script(conn, self.stopped)

    def stop(self):
        self.stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join(10)
        self.listener.close()
        assert not self.thread.is_alive()


@pytest.fixture
def upstream():
    running = []

    def start(script, **options):
        running.append(Upstream(script, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def canary():
    """A port behind every address; whoever connects to it has been robbed."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]
        listener.setblocking(False)
        n_robbed = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
                n_robbed += 1
        assert n_robbed == 0


def fetcher(names, wires, **options):
    options = {"max_bytes": MAX_BYTES, "timeout_s": 5, "tls": UNUSED_TLS, **options}
    return Fetcher(ALLOWED, resolve=names, connect=wires, **options)


def refusal(fetcher, url):
    started = time.monotonic()
    with pytest.raises(FetchError, match=r"\w+ \w+") as caught:
        fetcher.fetch(url)
    assert time.monotonic() - started < fetcher._timeout_s + SLACK_S
    return caught.value.code


def answer(*headers, body=b"", status="200 OK"):
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def sending(data):
    return lambda conn, stopped: conn.sendall(data)


def endless(first, again, pause_s=0.0):
    def script(conn, stopped):
        conn.sendall(first)
        while not stopped.wait(pause_s):
            conn.sendall(again)

    return script


def silent(conn, stopped):
    stopped.wait(10)


PLAIN = answer(f"Content-Length: {len(IMAGE)}", body=IMAGE)

INVALID = [
    # other schemes, and none
    "file:///etc/passwd",
    f"file://{HOST}/etc/passwd",
    f"ftp://{HOST}/x.png",
    f"gopher://{HOST}:80/_GET",
    f"dict://{HOST}:11211/stat",
    f"ldap://{HOST}/x",
    f"ws://{HOST}/x",
    f"jar:http://{HOST}/x.jar!/",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    f"//{HOST}/x.png",
    f"{HOST}/x.png",
    "/x.png",
    "",
    "http:",
    "http://",
    "http:///x.png",
    f"http:{HOST}/x.png",
    f"url:http://{HOST}/",
    # addresses, in every notation
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0x7f000001/",
    "http://0X7F.1/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://169.254.169.254/latest/meta-data/",
    f"http://{PUBLIC}/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]:80/",
    "http://[v1.a]/",
    "http://[::1/",
    "http://::1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    # names that are not what they look like
    "http://images。example。com/",
    "http://images．example.com/",
    "http://ｉｍａｇｅｓ.example.com/",
    "http://im\u00adages.example.com/",
    "http://im\u200bages.example.com/",
    "http://images.example.com℀.evil.test/",
    "http://images%2Eexample%2Ecom/",
    "http://%31%32%37.0.0.1/",
    "http://images.example.com%00.evil.test/",
    "http://images.example.com%2f@evil.test/",
    "http://images.example.com../",
    "http://.images.example.com/",
    "http://images..example.com/",
    "http://-images.example.com/",
    "http://*.cdn.example.net/",
    "http://images.example.com,evil.test/",
    f"http://{'a' * 64}.cdn.example.net/",
    f"http://{'ü' * 70}.cdn.example.net/",
    f"http://{'a.' * 130}cdn.example.net/",
    # users
    f"http://user@{HOST}/",
    f"http://user:password@{HOST}/",
    f"http://@{HOST}/",
    f"http://{HOST}@127.0.0.1/",
    f"http://{HOST}:80@127.0.0.1/",
    f"http://127.0.0.1:80@{HOST}/",
    # ports
    f"http://{HOST}:22/",
    f"http://{HOST}:443/",
    f"https://{HOST}:80/",
    f"http://{HOST}:8080/",
    f"http://{HOST}:0/",
    f"http://{HOST}:65616/",  # 80 in 16 bits
    f"http://{HOST}:080/",
    f"http://{HOST}:８０/",
    f"http://{HOST}:+80/",
    f"http://{HOST}:/",
    f"http://{HOST}:80:80/",
    # white space, control characters, backslashes
    f" http://{HOST}/",
    f"http://{HOST}/ ",
    f"http://{HOST}/a b",
    f"http://{HOST}/a\tb",
    f"ht\ntp://{HOST}/",
    f"http://{HOST}\r\nX-Injected: 1/",
    f"http://{HOST}/x HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    f"http://{HOST}/\x00",
    f"http://{HOST}/\x7f",
    f"http://{HOST}/\u2028",
    f"http://{HOST}/\ud800",
    f"http://{HOST}\\@evil.test/",
    f"http:\\\\{HOST}\\x.png",
    f"http://{HOST}/..\\x",
    # the rest
    f"http://{HOST}/straße.png",
    f"http://{HOST}/{'a' * 2048}",
]

NOT_ALLOWED = [
    "http://evil.test/",
    "http://localhost/",
    "http://metadata.google.internal/computeMetadata/v1/",
    f"http://{HOST}.evil.test/",
    "http://evilimages.example.com/",
    "http://evil-images.example.com/",
    "http://sub.images.example.com/",
    "http://example.com/",
    "http://com/",
    "http://cdn.example.net/",
    "http://evilcdn.example.net/",
    "http://a.cdn.example.net.evil.test/",
    "http://127.0.0.1.nip.io/",
    "http://evil.test:80/",
    f"http://evil.test/{HOST}",
    f"http://evil.test?{HOST}",
    f"http://evil.test#@{HOST}",
    f"http://evil.test/@{HOST}",
    "http://іmages.example.com/",  # Cyrillic
    "http://xn--mages-1of.example.com/",
    "http://bucher.example/",
    "HTTPS://EVIL.TEST/",
]

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.23",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:93.184.215.14",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::5db8:d70e",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2606:4700::1111%1",
]

LENGTH = f"Content-Length: {len(IMAGE)}"
ANSWERS = {
    "redirect to loopback": (
        answer("Location: http://127.0.0.1/", "Content-Length: 0", status="302 Found"),
        "fetch_redirected",
    ),
    "redirect to metadata": (
        answer("Location: http://169.254.169.254/", status="301 Moved Permanently"),
        "fetch_redirected",
    ),
    "redirect to a file": (
        answer("Location: file:///etc/passwd", LENGTH, body=IMAGE, status="307 Temporary"),
        "fetch_redirected",
    ),
    "redirect to itself": (
        answer(f"Location: http://{HOST}/", status="308 Permanent"),
        "fetch_redirected",
    ),
    "not modified": (answer(status="304 Not Modified"), "fetch_redirected"),
    "not found": (answer(LENGTH, body=IMAGE, status="404 Not Found"), "fetch_failed"),
    "created": (answer(LENGTH, body=IMAGE, status="201 Created"), "fetch_failed"),
    "partial": (answer(LENGTH, body=IMAGE, status="206 Partial Content"), "fetch_failed"),
    "server error": (answer(LENGTH, body=IMAGE, status="500 secret"), "fetch_failed"),
    "upgrade": (answer("Upgrade: h2c", status="101 Switching Protocols"), "fetch_failed"),
    "gzip bomb": (
        answer("Content-Encoding: gzip", body=gzip.compress(bytes(4_000_000))),
        "fetch_failed",
    ),
    "brotli after identity": (
        answer("Content-Encoding: identity", "Content-Encoding: br", body=b"1"),
        "fetch_failed",
    ),
    "gzip as transfer encoding": (
        answer("Transfer-Encoding: gzip, chunked", body=gzip.compress(bytes(4_000_000))),
        "fetch_failed",
    ),
    "huge length": (answer("Content-Length: 99999999999999999999"), "fetch_too_large"),
    "length one too large": (
        answer(f"Content-Length: {MAX_BYTES + 1}", body=bytes(MAX_BYTES + 1)),
        "fetch_too_large",
    ),
    "undeclared and one too large": (answer(body=bytes(MAX_BYTES + 1)), "fetch_too_large"),
    "length of 5000 digits": (
        answer("Content-Length: " + "9" * 5000, body=bytes(MAX_BYTES + 1)),
        "fetch_too_large",
    ),
    "fewer bytes than declared": (answer(LENGTH, body=IMAGE[:-1]), "fetch_failed"),
    "chunks end early": (answer("Transfer-Encoding: chunked", body=b"ff\r\nabc"), "fetch_failed"),
    "one chunk too large": (
        answer("Transfer-Encoding: chunked", body=b"fffffff\r\n" + bytes(MAX_BYTES + 1)),
        "fetch_too_large",
    ),
    "a chunk of no number": (answer("Transfer-Encoding: chunked", body=b"xyz\r\n"), "fetch_failed"),
    "a chunk of size -2": (
        answer("Transfer-Encoding: chunked", body=b"-2\r\nabc\r\n0\r\n\r\n"),
        "fetch_failed",
    ),
    "a chunk far below zero": (
        answer("Transfer-Encoding: chunked", body=b"-" + b"f" * 99 + b"\r\nabc\r\n0\r\n\r\n"),
        "fetch_failed",
    ),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "fetch_failed"),
    "HTTP/0.9": (IMAGE, "fetch_failed"),
    "nothing": (b"", "fetch_failed"),
    "half a status line": (b"HTTP/1.1", "fetch_failed"),
    "101 headers": (answer(*(f"X-{i}: 1" for i in range(101)), body=b"1"), "fetch_failed"),
    "a header of 70 kB": (answer("X: " + "x" * 70_000, body=b"1"), "fetch_failed"),
}

SCRIPTS = {
    "says nothing": (silent, "fetch_timeout"),
    "a byte at a time in the status line": (endless(b"", b"H", 0.05), "fetch_timeout"),
    "a byte at a time in the headers": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), "timeout"),
    "a header at a time": (endless(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", 0.05), "timeout"),
    "a byte at a time in a declared body": (endless(answer(LENGTH), b"x", 0.05), "timeout"),
    "a byte at a time in an undeclared body": (endless(answer(), b"x", 0.05), "timeout"),
    "a byte at a time in chunks": (
        endless(answer("Transfer-Encoding: chunked"), b"1\r\nx\r\n", 0.05),
        "timeout",
    ),
    "chunks end in endless trailers": (
        endless(answer("Transfer-Encoding: chunked", body=b"0\r\n"), b"X: 1\r\n", 0.05),
        "timeout",
    ),
    "an answer that stays open": (endless(answer(body=IMAGE), b"", 0.05), "timeout"),
    "endless body": (endless(answer(), bytes(65536)), "fetch_too_large"),
    "endless chunk of size -1": (
        endless(answer("Transfer-Encoding: chunked", body=b"-1\r\n"), bytes(65536)),
        "fetch_too_large",
    ),
    "endless chunks": (
        endless(answer("Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 999),
        "fetch_too_large",
    ),
    **{
        f"endless chunks, {n_bytes} bytes later": (
            endless(
                answer("Transfer-Encoding: chunked", f"X: {'x' * n_bytes}"), b"1\r\nx\r\n" * 999
            ),
            "fetch_too_large",
        )
        for n_bytes in range(1, 6)
    },
    "endless trailers": (
        endless(answer("Transfer-Encoding: chunked", body=b"0\r\n"), b"X: 1\r\n" * 999),
        "fetch_too_large",
    ),
    "endless status line": (endless(b"HTTP/1.1 200 ", b"x" * 9999), "fetch_failed"),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n" * 999), "fetch_failed"),
    "endless header": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 9999), "fetch_failed"),
    "endless 100 Continue": (endless(b"", answer(status="100 Continue") * 99), "fetch_failed"),
}


@pytest.mark.parametrize(
    ("url", "code"),
    [(url, "invalid_url") for url in INVALID] + [(url, "url_not_allowed") for url in NOT_ALLOWED],
    ids=ascii,
)
def test_refused_urls_are_neither_looked_up_nor_connected_to(canary, url, code):
    names, wires = Names([PUBLIC]), Wires(canary)
    assert refusal(fetcher(names, wires), url) == code
    assert names.asked == [] and wires.reached == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public_are_refused_alone_and_among_others(canary, address):
    for answers in ([address], [PUBLIC, address], [address, PUBLIC], [OTHER_PUBLIC, address]):
        names, wires = Names(answers), Wires(canary)
        with pytest.raises(FetchError, match="does not resolve to public addresses") as caught:
            fetcher(names, wires).fetch(f"http://{HOST}/x.png")
        assert caught.value.code == "url_address_refused"
        assert address not in caught.value.message
        assert wires.reached == []


def test_answers_of_a_resolver_that_are_no_addresses_are_refused(canary):
    def without_ipv6(host, port, **hints):
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (10, b"\x20\x01"))]

    wires = Wires(canary)
    url = f"http://{HOST}/"
    assert refusal(fetcher(without_ipv6, wires), url) == "url_address_refused"
    assert wires.reached == []


def test_rebinding_a_name_is_in_vain(upstream):
    server = upstream(sending(PLAIN))
    names, wires = Names([PUBLIC], ["127.0.0.1"]), Wires(server.port)
    assert fetcher(names, wires).fetch(f"http://{HOST}/x.png") == IMAGE
    assert names.asked == [(HOST, 80)]
    assert wires.reached == [(PUBLIC, 80)]


@pytest.mark.parametrize(("data", "code"), ANSWERS.values(), ids=ANSWERS.keys())
def test_hostile_answers_are_refused_without_being_repeated(upstream, data, code):
    server = upstream(sending(data))
    wires = Wires(server.port)
    with pytest.raises(FetchError, match=HOST) as caught:
        fetcher(Names([PUBLIC], ["127.0.0.1"]), wires).fetch(f"http://{HOST}/x.png")
    assert caught.value.code == code
    for secret in (PUBLIC, "127.0.0.1", "169.254", "passwd", "secret", "SSH", "h2c"):
        assert secret not in caught.value.message
    assert wires.reached == [(PUBLIC, 80)]
    assert len(server.requests) == 1


@pytest.mark.parametrize(("script", "code"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_slow_and_endless_answers_are_cut(upstream, script, code):
    server = upstream(script)
    # Only a slow answer is to meet the time limit, so that a busy machine changes no code.
    slow = code.endswith("timeout")
    code = "fetch_timeout" if slow else code
    fetching = fetcher(Names([PUBLIC]), Wires(server.port), timeout_s=TIMEOUT_S if slow else 5)
    assert refusal(fetching, f"http://{HOST}/x.png") == code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_named_and_not_followed(upstream, status):
    redirect = answer(f"Location: http://{HOST}/y.png", "Content-Length: 0", status=f"{status} Go")
    server = upstream(sending(redirect))
    names, wires = Names([PUBLIC]), Wires(server.port)
    with pytest.raises(FetchError, match=f"redirect .status {status}., which is not followed"):
        fetcher(names, wires).fetch(f"http://{HOST}/x.png")
    assert len(names.asked) == len(wires.reached) == len(server.requests) == 1


def test_status_is_named(upstream):
    server = upstream(sending(answer(status="418 Teapot")))
    with pytest.raises(FetchError, match="status 418; expected 200"):
        fetcher(Names([PUBLIC]), Wires(server.port)).fetch(f"http://{HOST}/x.png")


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        (f"http://{HOST}/x.png", HOST, "/x.png"),
        ("HTTP://IMAGES.Example.COM.:80/a/../%C3%BC?a=b&c=%20", HOST, "/a/../%C3%BC?a=b&c=%20"),
        (f"http://{HOST}", HOST, "/"),
        (f"http://{HOST}?q", HOST, "/?q"),
        (f"http://{HOST}//evil.test/#fragment", HOST, "//evil.test/"),
        (f"http://{HOST}#@evil.test/", HOST, "/"),
        (f"http://{HOST}/@evil.test:22/", HOST, "/@evil.test:22/"),
        ("http://a.b.cdn.example.net/", "a.b.cdn.example.net", "/"),
        ("http://BÜCHER.example/", "xn--bcher-kva.example", "/"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
    ],
)
def test_the_whole_request_of_what_is_allowed(upstream, url, host, target):
    server = upstream(sending(PLAIN))
    names, wires = Names([PUBLIC, OTHER_PUBLIC, PUBLIC]), Wires(server.port)
    assert fetcher(names, wires).fetch(url) == IMAGE
    assert names.asked == [(host, 80)]
    assert wires.reached == [(PUBLIC, 80)]
    assert server.requests == [
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
        f"User-Agent: bottlebank\r\nConnection: close\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (answer("Content-Encoding: identity", LENGTH, body=IMAGE), IMAGE),
        (answer("Content-Type: text/html", body=IMAGE), IMAGE),
        (answer(LENGTH, body=IMAGE + b"and what was not declared"), IMAGE),
        (
            answer("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n"),
            b"abcd",
        ),
        (answer(status="100 Continue") + PLAIN, IMAGE),
        (answer(body=bytes(MAX_BYTES)), bytes(MAX_BYTES)),
        (answer(f"Content-Length: {MAX_BYTES}", body=bytes(MAX_BYTES)), bytes(MAX_BYTES)),
        (answer("Content-Length: 0"), b""),
    ],
    ids=["identity", "html", "more", "chunks", "continue", "open", "largest", "empty"],
)
def test_bodies_arrive_whole(upstream, data, expected):
    server = upstream(sending(data))
    fetching = fetcher(Names([PUBLIC]), Wires(server.port))
    assert fetching.fetch(f"http://{HOST}/") == expected


def test_one_fetcher_serves_many_threads(upstream):
    server = upstream(sending(PLAIN))
    fetching = fetcher(Names([PUBLIC]), Wires(server.port))
    bodies = []
    threads = [
        threading.Thread(target=lambda: bodies.append(fetching.fetch(f"http://{HOST}/")))
        for _ in range(MAX_AT_ONCE + 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [IMAGE] * len(threads)


def test_next_address_is_tried_when_connecting_fails(upstream):
    server = upstream(sending(PLAIN))
    wires = Wires(server.port, failing=(OTHER_PUBLIC,))
    fetching = fetcher(Names([OTHER_PUBLIC, PUBLIC]), wires)
    assert fetching.fetch(f"http://{HOST}/") == IMAGE
    assert wires.reached == [(OTHER_PUBLIC, 80), (PUBLIC, 80)]


def test_next_address_is_not_tried_after_an_answer(upstream):
    server = upstream(sending(b""))
    wires = Wires(server.port)
    fetching = fetcher(Names([PUBLIC, OTHER_PUBLIC]), wires)
    assert refusal(fetching, f"http://{HOST}/") == "fetch_failed"
    assert wires.reached == [(PUBLIC, 80)]


def test_no_address_can_be_connected_to():
    wires = Wires(0, failing=(PUBLIC, OTHER_PUBLIC))
    fetching = fetcher(Names([PUBLIC, OTHER_PUBLIC]), wires)
    assert refusal(fetching, f"https://{HOST}/") == "fetch_failed"
    assert wires.reached == [(PUBLIC, 443), (OTHER_PUBLIC, 443)]


def test_silent_addresses_share_the_time():
    shares_s = []

    def connect(address, timeout_s):
        shares_s.append(timeout_s)
        time.sleep(timeout_s)
        raise TimeoutError

    addresses = [PUBLIC, OTHER_PUBLIC, "1.1.1.1"]
    fetching = fetcher(Names(addresses), connect, timeout_s=1)
    assert refusal(fetching, f"http://{HOST}/") == "fetch_timeout"
    assert shares_s == pytest.approx([1 / 3] * 3, rel=0.5)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "secret"), UnicodeError("label too long")])
def test_names_that_are_not_found(error):
    def resolve(host, port, **hints):
        raise error

    with pytest.raises(FetchError, match=f"the host name {HOST} was not found") as caught:
        fetcher(resolve, Wires(0)).fetch(f"http://{HOST}/")
    assert caught.value.code == "fetch_failed"
    assert refusal(fetcher(Names([]), Wires(0)), f"http://{HOST}/") == "fetch_failed"


def test_hanging_look_ups_are_cut_and_bounded(upstream):
    server = upstream(sending(PLAIN))
    released = threading.Event()
    asked = []

    def resolve(host, port, **hints):
        asked.append(threading.current_thread())
        released.wait(20)
        return Names([PUBLIC])(host, port)

    fetching = fetcher(resolve, Wires(server.port), timeout_s=0.03)
    try:
        for _ in range(MAX_AT_ONCE + 4):
            assert refusal(fetching, f"http://{HOST}/") == "fetch_timeout"
        assert len(asked) == MAX_AT_ONCE
    finally:
        released.set()
        for thread in asked:
            thread.join(5)
    fetching = fetcher(resolve, Wires(server.port))
    assert fetching.fetch(f"http://{HOST}/") == IMAGE


def test_look_ups_that_were_given_up_make_room_again(upstream):
    server = upstream(sending(PLAIN))
    slow = [True] * MAX_AT_ONCE

    def resolve(host, port, **hints):
        if slow:
            slow.pop()
            time.sleep(0.5)
        return Names([PUBLIC])(host, port)

    fetching = fetcher(resolve, Wires(server.port), timeout_s=0.02)
    for _ in range(MAX_AT_ONCE):
        assert refusal(fetching, f"http://{HOST}/") == "fetch_timeout"
    while any(thread.name == "bottlebank-fetch" for thread in threading.enumerate()):
        time.sleep(0.02)
    fetching._timeout_s = 5
    assert fetching.fetch(f"http://{HOST}/") == IMAGE


def test_proxies_of_the_environment_are_ignored(upstream, canary, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary}")
    server = upstream(sending(PLAIN))
    fetching = fetcher(Names([PUBLIC]), Wires(server.port))
    assert fetching.fetch(f"http://{HOST}/x.png") == IMAGE
    assert server.requests[0].startswith(b"GET /x.png HTTP/1.1\r\n")


class Certificate:
    """A certificate for `HOST` that is its own authority."""

    def __init__(self, folder):
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("no openssl program, with which the certificate is made")
        key, cert = folder / "key.pem", folder / "cert.pem"
        command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -keyout {key} -out {cert}"
        subprocess.run([openssl, *command.split()], check=True, capture_output=True)
        self.served = []
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(cert, key)
        self.server.sni_callback = lambda sock, name, context: self.served.append(name)
        self.trusting = ssl.create_default_context(cafile=cert)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("suffix", ["", ":443", ".", ".:443"])
def test_https_names_the_host_and_connects_to_the_address(upstream, certificate, suffix):
    server = upstream(sending(PLAIN), tls=certificate.server)
    names, wires = Names([PUBLIC]), Wires(server.port)
    fetching = fetcher(names, wires, tls=certificate.trusting)
    certificate.served.clear()
    assert fetching.fetch(f"https://{HOST}{suffix}/x.png") == IMAGE
    assert names.asked == [(HOST, 443)]
    assert wires.reached == [(PUBLIC, 443)]
    assert certificate.served == [HOST]
    assert f"\r\nHost: {HOST}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize("case", ["another name", "unknown authority", "no TLS"])
def test_https_without_a_trusted_certificate_sends_nothing(upstream, certificate, case):
    tls = certificate.trusting
    host = "a.cdn.example.net" if case == "another name" else HOST
    if case == "unknown authority":
        tls = ssl.create_default_context()
    serving = None if case == "no TLS" else certificate.server
    server = upstream(sending(b"HTTP/1.1 400 Bad\r\n\r\n"), tls=serving, reads=serving is not None)
    fetching = fetcher(Names([PUBLIC]), Wires(server.port), tls=tls)
    assert refusal(fetching, f"https://{host}/x.png") == "fetch_failed"
    assert b"GET" not in b"".join(server.requests)


@pytest.mark.parametrize(
    "script",
    [
        silent,
        # a server's handshake record, announced with 16 kB and sent by the byte
        endless(b"\x16\x03\x03\x40\x00", b"\x02", 0.05),
    ],
    ids=["silent", "record"],
)
def test_slow_tls_handshakes_are_cut(upstream, script):
    server = upstream(script, reads=False)
    fetching = fetcher(Names([PUBLIC]), Wires(server.port), timeout_s=TIMEOUT_S)
    assert refusal(fetching, f"https://{HOST}/x.png") == "fetch_timeout"


class TimelessSocket(socket.socket):
    def settimeout(self, timeout_s):
        super().settimeout(None)


class TimelessTLS:
    """Reads that know no time limit, as those of OpenSSL amid a flood of session tickets."""

    def wrap_socket(self, sock, server_hostname):
        return TimelessSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())


@pytest.mark.parametrize(
    "script",
    [silent, endless(answer(body=IMAGE), b"", 0.05), endless(answer(LENGTH, body=b"1"), b"", 0.05)],
    ids=["silent", "undeclared", "declared"],
)
def test_reads_without_a_time_limit_are_cut(upstream, script):
    server = upstream(script)
    fetching = fetcher(Names([PUBLIC]), Wires(server.port), tls=TimelessTLS(), timeout_s=TIMEOUT_S)
    assert refusal(fetching, f"https://{HOST}/x.png") == "fetch_timeout"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (silent, "fetch_timeout"),
        (endless(answer(), b"x", 0.05), "fetch_timeout"),
        (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), "fetch_timeout"),
        (endless(answer(), bytes(65536)), "fetch_too_large"),
        (sending(answer("Location: http://127.0.0.1/", status="302 Found")), "fetch_redirected"),
    ],
    ids=["silent", "body", "headers", "endless", "redirect"],
)
def test_limits_hold_inside_tls(upstream, certificate, script, code):
    server = upstream(script, tls=certificate.server)
    timeout_s = TIMEOUT_S if code == "fetch_timeout" else 5
    fetching = fetcher(
        Names([PUBLIC]), Wires(server.port), tls=certificate.trusting, timeout_s=timeout_s
    )
    assert refusal(fetching, f"https://{HOST}/x.png") == code


def test_without_hosts_fetching_is_off(canary):
    names, wires = Names([PUBLIC]), Wires(canary)
    off = Fetcher([], max_bytes=MAX_BYTES, resolve=names, connect=wires)
    for url in (f"http://{HOST}/x.png", "file:///etc/passwd", ""):
        with pytest.raises(FetchError, match="switched off here; send the image") as caught:
            off.fetch(url)
        assert caught.value.code == "url_disabled"
    assert names.asked == [] and wires.reached == []


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ".",
        "*",
        "*.",
        "**.example.com",
        "*.*.example.com",
        "images.*.com",
        "*example.com",
        ".example.com",
        "http://example.com",
        "example.com:80",
        "example.com/",
        "example.com/images",
        "user@example.com",
        "example.com ",
        "example..com",
        "127.0.0.1",
        "*.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "::1",
        "[::1]",
        "example。com",
        "１２７.0.0.1",
        "a" * 64 + ".com",
    ],
)
def test_entries_that_are_no_host_names_are_named(entry):
    with pytest.raises(UsageError, match="allowed: expected a host name such as") as caught:
        Fetcher([HOST, entry], max_bytes=1)
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    ("allowed", "limits", "match"),
    [
        ("example.com", {}, "allowed: expected a list of host names, received 'example.com'"),
        ([HOST], {"max_bytes": 0}, "max_bytes: expected at least 1, received 0"),
        ([HOST], {"max_bytes": True}, "max_bytes: expected at least 1, received True"),
        ([HOST], {"timeout_s": 0}, "timeout_s: expected more than 0 seconds, received 0"),
        ([HOST], {"timeout_s": float("nan")}, "timeout_s: .* received nan"),
        ([HOST], {"timeout_s": float("inf")}, "timeout_s: .* received inf"),
    ],
)
def test_settings_that_cannot_be_meant(allowed, limits, match):
    with pytest.raises(UsageError, match=match):
        Fetcher(allowed, **{"max_bytes": 1, **limits})


def test_entries_are_compared_in_one_notation(upstream):
    server = upstream(sending(PLAIN))
    options = {"max_bytes": MAX_BYTES, "resolve": Names([PUBLIC]), "connect": Wires(server.port)}
    for entry in ("IMAGES.Example.com", "images.example.com.", "*.EXAMPLE.com."):
        fetching = Fetcher([entry], tls=UNUSED_TLS, **options)
        assert fetching.fetch(f"http://{HOST}/") == IMAGE


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_is_public_refuses(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:831::200e",
    ],
)
def test_is_public_accepts_up_to_the_edge(address):
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "127.1", "1.1.1", "0x01010101", HOST, "1.1.1.1 ", "01.1.1.1"])
def test_is_public_refuses_what_is_no_address(text):
    assert not is_public(text)


@given(st.ip_addresses())
def test_is_public_is_never_laxer_than_the_standard_library(address):
    if is_public(str(address)):
        assert address.is_global
        assert not (address.is_multicast or address.is_reserved or address.is_private)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_inside_an_ipv6_address(address):
    for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
        assert not is_public(str(ipaddress.IPv6Address(prefix) + int(address)))
    assert not is_public(str(ipaddress.IPv6Address("2002::") + (int(address) << 80)))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["", "http://", f"http://{HOST}", "https://a.cdn.example.net", "http://a"]),
    st.text(st.sampled_from("a.:/@#?[]%\\ \r\n\0-_*1x。üİ\u200dｍ") | st.characters(), max_size=12),
    st.sampled_from(["", HOST, f".{HOST}/", f"@{HOST}", ".cdn.example.net", "://127.0.0.1"]),
)
def test_whatever_the_text_only_allowed_names_are_looked_up(start, middle, end):
    names, wires = Names([PUBLIC]), Wires(0, failing=(PUBLIC,))
    with pytest.raises(FetchError, match=r"\w+ \w+"):
        fetcher(names, wires).fetch(start + middle + end)
    for host, port in names.asked:
        assert host == HOST or (host.isascii() and host.endswith(".cdn.example.net"))
        assert port in (80, 443)
    assert [port for _, port in wires.reached] == [port for _, port in names.asked]
