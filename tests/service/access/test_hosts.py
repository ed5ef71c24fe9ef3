from __future__ import annotations

import pytest

from bottlebank.errors import UsageError
from bottlebank.service import Settings
from bottlebank.service.access.hosts import Hosts
from bottlebank.service.errors import RefusedError

ALLOWED = ("photos.example.com", "*.lan", "bücher.example", "10.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST.", "app.localhost:1", "127.0.0.1:8000"),
        *("127.9.9.9", "[::1]", "[::1]:8000", "192.168.1.7:80", "[fe80::1]:8000", "10.1.2.3"),
        *("photos.example.com", "Photos.Example.Com.:443", "pi.lan", "a.b.lan:99"),
        *("xn--bcher-kva.example", None, ""),
    ],
)
def test_hosts_that_are_answered(host):
    Hosts(ALLOWED).check("POST", {} if host is None else {"Host": host})


@pytest.mark.parametrize("host", ["photos.lan", "0.0.0.0", "127.1", "::", "::1%lo", ""])
def test_a_name_that_is_listened_on_is_answered_and_an_address_opens_nothing(host):
    hosts = Hosts()
    hosts.allow(host)
    assert ("and to photos.lan" in str(hosts)) == (host == "photos.lan")
    for asked in ("photos.lan", "evil.example", "x.photos.lan"):
        if asked == host:
            hosts.check("POST", {"Host": f"{asked}:8000", "Origin": f"http://{asked}:8000"})
        else:
            with pytest.raises(RefusedError, match="does not answer as"):
                hosts.check("GET", {"Host": asked})


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("photos.example.com.evil.example", "xphotos.example.com", "lan", "x.photos.example.com"),
        *("127.1", "0x7f.1", "2130706433", "[::1", "::1", "a@localhost", "localhost, evil.example"),
        *("localhost/", "localhost:99999999", "localhost:x", " localhost", "[fe80::1%25eth0]", "*"),
        *("a" * 5000, "caf\u00e9.example"),
    ],
)
def test_hosts_that_are_refused(host):
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        with pytest.raises(RefusedError, match="--allowed-hosts") as refused:
            Hosts(ALLOWED).check(method, {"Host": host})
        assert (refused.value.status, refused.value.code) == (421, "host_not_allowed")
        assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("localhost:8000", "http://localhost:8000", True),
        ("localhost", "http://localhost:80", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("192.168.1.7", "https://192.168.1.7", True),
        ("127.0.0.1:8000", "https://photos.example.com", True),  # a proxy that keeps no Host
        ("photos.example.com", "https://photos.example.com:8443", True),
        ("localhost:8000", "http://localhost:3000", False),
        ("localhost:8000", "http://127.0.0.1:8000", False),
        ("localhost:8000", "https://evil.example", False),
        ("localhost:8000", "null", False),
        ("localhost:8000", "", False),
        ("localhost:8000", "http://[", False),
        ("localhost:8000", "chrome-extension://abc", False),
        ("localhost:8000", "http://localhost:8000.evil.example", False),
        (None, "https://evil.example", False),
    ],
)
def test_origins(host, origin, own):
    headers = {"Origin": origin} | ({} if host is None else {"Host": host})
    hosts = Hosts(ALLOWED)
    hosts.check("GET", headers)
    for method in ("POST", "PUT", "DELETE"):
        if own:
            hosts.check(method, headers)
        else:
            with pytest.raises(RefusedError, match="a page of another site") as refused:
                hosts.check(method, headers)
            assert (refused.value.status, refused.value.code) == (403, "origin_not_allowed")


def test_a_browser_that_names_no_origin():
    for site, refused in (("cross-site", True), ("same-site", True), ("same-origin", False)):
        headers = {"Host": "localhost", "Sec-Fetch-Site": site}
        if refused:
            with pytest.raises(RefusedError, match="a page of another site"):
                Hosts().check("POST", headers)
        else:
            Hosts().check("POST", headers)


@pytest.mark.parametrize("origin", ["https://other.example", "null", "http://any.example:99", ""])
def test_a_star_is_for_names_of_the_server_and_not_for_pages_of_other_sites(origin):
    hosts = Hosts(("*", "photos.example.com"))
    for own in ("http://any.example", "https://photos.example.com", "https://any.example:443"):
        hosts.check("POST", {"Host": "any.example", "Origin": own})
    with pytest.raises(RefusedError, match="a page of another site"):
        hosts.check("POST", {"Host": "any.example", "Origin": origin})


@pytest.mark.parametrize("entry", ["http://a.example", "a.example:80", "a b", "", "*.", "**"])
def test_entries_that_are_no_names(entry):
    with pytest.raises(UsageError, match="expected a host name"):
        Hosts((entry,))


@pytest.mark.parametrize("route", ["/", "/heads", "/similar", "/metrics", "/static/app.js", "/no"])
def test_no_route_answers_another_host(client, route):
    answer = client.get(route, base_url="http://evil.example")
    assert (answer.status_code, answer.json["error"]["code"]) == (421, "host_not_allowed")
    assert answer.headers["X-Request-ID"]


def test_probes_by_address_and_refusals_in_the_metrics(client):
    for route in ("/healthz", "/readyz", "/metrics"):
        assert client.get(route, base_url="http://10.42.0.7:8000").status_code == 200
    client.post("/heads/rollback", json={}, headers={"Origin": "https://evil.example"})
    client.get("/", base_url="http://evil.example")
    text = client.get("/metrics").text
    assert 'bottlebank_rejected_total{code="origin_not_allowed"} 1.0' in text
    assert 'bottlebank_rejected_total{code="host_not_allowed"} 1.0' in text


def test_nothing_redirects(make_app):
    client = make_app(settings=Settings(allowed_hosts=("*",))).test_client()
    for route in (
        "/predict//",
        "/x//predict",
        "/embed/",
        "/heads/",
        "/static",
        "/docs/",
        "/docs//x",
    ):
        answer = client.get(route, base_url="http://evil.example")
        assert "Location" not in answer.headers, route
        assert answer.status_code in (404, 405)
    assert "evil" not in client.get("/openapi.json", base_url="http://evil.example").text
