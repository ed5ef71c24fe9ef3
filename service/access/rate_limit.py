"""How many requests a client may send: a bucket of tokens for each."""

from __future__ import annotations

import ipaddress
import math
import re
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"s": 1, "min": 60, "h": 3600}
_RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_UNITS)})")
_MAX_CLIENTS = 10_000
_IPV6_BITS_OF_A_SITE = 64


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    n_requests: int
    window_s: int

    def __str__(self) -> str:
        """As it is written in options: `10/s`."""
        unit = next(name for name, seconds in _UNITS.items() if seconds == self.window_s)
        return f"{self.n_requests}/{unit}"

    @property
    def interval_s(self) -> float:
        """Seconds between two requests of an even stream."""
        return self.window_s / self.n_requests

    @property
    def burst(self) -> int:
        """Requests that may come at once: those of a second, at least two.

        With one, a client that sends a little faster than the rate would have every other request
        refused.
        """
        return max(2, self.n_requests // self.window_s)


def read_rate(text: str) -> Rate:
    """Read `10/s`, `600/min` or `5000/h`.

    Raises
    ------
    UsageError
        When it is something else.
    """
    matched = _RATE.fullmatch(text)
    if matched is None:
        raise UsageError(
            f"expected a number of requests and a unit of time, such as 10/s, 600/min or 5000/h; "
            f"received {text[:40]!r}"
        )
    return Rate(int(matched[1]), _UNITS[matched[2]])


class Allowance(NamedTuple):
    """What a client may send, after a request of it."""

    rate: Rate
    n_left: int
    """Requests that it could send at once."""
    wait_s: float
    """Seconds until this request would be accepted; 0 where it is."""
    full_s: float
    """Seconds until it could send a whole burst."""

    def headers(self) -> dict[str, str]:
        """The fields of the IETF's draft on rate limits, and `Retry-After` of a refusal."""
        headers = {
            "RateLimit-Policy": f'"requests";q={self.rate.n_requests};w={self.rate.window_s}',
            "RateLimit": f'"requests";r={self.n_left};t={math.ceil(self.full_s)}',
        }
        if self.wait_s:
            headers["Retry-After"] = str(math.ceil(self.wait_s))
        return headers


class RateLimiter:
    """A bucket of tokens for each client. Safe to use from threads.

    A bucket is one number: when it will be full again. Refused requests take no token.

    Parameters
    ----------
    clock
        Seconds, as of `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """All buckets are full."""
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str, rate: Rate) -> Allowance:
        """Take a token of a client, if there is one."""
        longest_s = (rate.burst - 1) * rate.interval_s
        with self._lock:
            now = self._clock()
            full_s = max(0.0, self._full_at.get(client, now) - now)
            wait_s = max(0.0, full_s - longest_s)
            if wait_s < 1e-9:
                wait_s = 0.0
                full_s += rate.interval_s
                self._full_at[client] = now + full_s
            self._full_at.move_to_end(client)
            if len(self._full_at) > _MAX_CLIENTS:
                self._full_at.popitem(last=False)  # unused for longest: most likely full
        n_left = (
            0 if wait_s else int((rate.burst * rate.interval_s - full_s) / rate.interval_s + 1e-6)
        )
        return Allowance(rate, n_left, wait_s, full_s)


def client_of_address(address: str) -> str:
    """Whose bucket an address has: in IPv6, one site has 2⁶⁴ addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address {address}"
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return f"address {ipaddress.ip_network((parsed, _IPV6_BITS_OF_A_SITE), strict=False)}"
    return f"address {parsed}"
