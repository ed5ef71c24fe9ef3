from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from bottlebank.errors import UsageError
from bottlebank.service.access.rate_limit import Rate, RateLimiter, client_of_address, read_rate


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/s", Rate(10, 1)), ("600/min", Rate(600, 60)), ("1/h", Rate(1, 3600))],
)
def test_rates(text, rate):
    assert read_rate(text) == rate
    assert str(rate) == text


@pytest.mark.parametrize(
    "text", ["", "10", "0/s", "-1/s", "1.5/s", "10/d", "10 / s", "1e9/s", "/s"]
)
def test_texts_that_are_no_rate(text):
    with pytest.raises(UsageError, match="such as 10/s, 600/min or 5000/h; received"):
        read_rate(text)


def test_a_burst_then_an_even_stream():
    clock = Clock()
    limiter = RateLimiter(clock)
    rate = Rate(4, 1)
    taken = [limiter.take("a", rate) for _ in range(5)]
    assert [each.n_left for each in taken] == [3, 2, 1, 0, 0]
    assert [each.wait_s for each in taken] == [0, 0, 0, 0, 0.25]
    assert taken[4].headers() == {
        "RateLimit-Policy": '"requests";q=4;w=1',
        "RateLimit": '"requests";r=0;t=1',
        "Retry-After": "1",
    }
    assert "Retry-After" not in taken[0].headers()
    assert limiter.take("b", rate).wait_s == 0  # another client
    clock.now += 0.25
    assert limiter.take("a", rate).wait_s == 0
    assert limiter.take("a", rate).wait_s > 0
    clock.now += 100
    assert limiter.take("a", rate).n_left == 3


@pytest.mark.parametrize("rate", [Rate(1, 1), Rate(7, 1), Rate(50, 1), Rate(90, 60), Rate(1, 3600)])
@pytest.mark.parametrize("pressure", [1.01, 3.7, 100.0])
def test_the_rate_holds_within_five_percent(rate, pressure):
    """In any 20 windows or seconds, whichever is longer, however fast requests come."""
    clock = Clock()
    limiter = RateLimiter(clock)
    seconds = 20 * rate.window_s
    wanted = rate.n_requests * 20
    n_sent = int(wanted * pressure)
    n_accepted = 0
    for _ in range(n_sent):
        n_accepted += not limiter.take("a", rate).wait_s
        clock.now += seconds / n_sent
    assert wanted * 0.95 <= n_accepted <= wanted * 1.05


@hypothesis.given(
    st.integers(1, 40),
    st.sampled_from([1, 60]),
    st.lists(st.floats(0, 3, allow_subnormal=False), min_size=1, max_size=200),
)
def test_no_window_has_more_than_the_rate_and_a_burst(n_requests, window_s, gaps):
    clock = Clock()
    limiter = RateLimiter(clock)
    rate = Rate(n_requests, window_s)
    accepted = []
    for gap in gaps:
        clock.now += gap
        allowance = limiter.take("a", rate)
        if allowance.wait_s:
            assert allowance.wait_s <= rate.interval_s + 1e-6
        else:
            accepted.append(clock.now)
    for first in range(len(accepted)):
        for last in range(first, len(accepted)):
            most = rate.burst + (accepted[last] - accepted[first]) / rate.interval_s
            assert last - first + 1 <= most + 1e-3


def test_memory_is_bounded_however_many_clients_there_are():
    limiter = RateLimiter(Clock())
    for number in range(30_000):
        limiter.take(str(number), Rate(1, 3600))
    assert len(limiter._full_at) <= 10_000
    assert limiter.take("29999", Rate(1, 3600)).wait_s == 0
    assert limiter.take("29999", Rate(1, 3600)).wait_s > 0


def test_a_site_of_ipv6_is_one_client():
    assert client_of_address("2001:db8::1") == client_of_address("2001:db8::ffff:1")
    assert client_of_address("2001:db8::1") != client_of_address("2001:db8:0:1::1")
    assert client_of_address("10.0.0.1") != client_of_address("10.0.0.2")
    assert client_of_address("fe80::1%eth0") == client_of_address("fe80::2")
    assert client_of_address("") == "address "
