"""What a service answers with, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral

from ..arguments import received
from ..errors import UsageError
from ..untrusted.urls import read_entry
from .access.hosts import read_allowed_host
from .access.origins import read_origin
from .access.proxies import read_network, read_prefix
from .access.rate_limit import read_rate

LIMITS = {
    "max_body_bytes": "bytes of all images in one request",
    "max_images": "images in one request",
    "max_pixels": "largest picture that is decoded, in pixels",
    "max_decode_s": "CPU seconds to decode one picture",
    "top": "classes in a prediction, unless the request has ?top=",
    "threads": "requests that are processed at the same time",
    "queue": "requests that may wait; further ones are refused with 503",
    "deadline_s": "seconds after which a request that still waits is refused with 503",
    "retry_after_s": "seconds after which a refused client may try again",
    "fetch_timeout_s": "seconds to fetch an image by URL",
    "connection_limit": "open connections",
    "header_timeout_s": "seconds for the headers of a request to arrive",
    "channel_timeout_s": "seconds after which a connection without traffic is closed",
    "max_held_bytes": "bytes of request bodies in memory; further ones are refused with 503",
    "drain_s": "seconds after SIGTERM in which requests are still accepted",
    "shutdown_grace_s": "seconds that requests in flight have to finish after that",
    "watch_s": "seconds between checks of the folder of heads",
}
"""Settings that are numbers, and what they limit, for the help of options."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service answers with, and its limits per client and overall.

    Attributes
    ----------
    head
        The head file that answers.
    heads
        Instead, a folder of head files: the newest answers, and the folder is watched.
    cache
        The cache of converted networks and training images; None for the default one.
    extractor, weights, engine, precision, parity
        As in `load_predictor`.
    allowed_hosts
        Values of `Host` that are accepted beside `localhost` and numeric addresses:
        `photos.example.com`, `*.example.com`, or `*` for all.
    keys
        A file of API keys, of which a request needs one; None: none is needed.
    rate_limit
        Requests that each key, or else each address, may send: `10/s`, `600/min`, `5000/h`; None
        for no limit.
    cors_origins
        Origins whose pages may use the service: `https://app.example.com`,
        `https://*.example.com`, or `*` for all.
    prefix
        The path under which a proxy offers the service, such as `/photos`.
    trusted_proxies
        Addresses and networks of proxies whose `X-Forwarded-*` headers count.
    fetch_from
        Hosts from which images named by URL are fetched; empty: none are.
    fetch_timeout_s
        Seconds for fetching one image, in all.
    max_body_bytes
        Bytes of the images of one request together; a form or JSON around them may be as much
        larger as it has to be.
    max_images
        Images in one request.
    max_pixels
        Pixels of the largest picture that is decoded.
    max_decode_s
        Processor seconds that one picture may take.
    top
        Classes in an answer whose request names no `?top=`; all of them when there are fewer.
    threads
        Requests that are processed at the same time; the others wait.
    queue
        Requests that may wait; those beyond are refused with 503.
    deadline_s
        Seconds after its arrival at which a request that still waits is refused with 503.
    retry_after_s
        `Retry-After` of these refusals.
    connection_limit
        Open connections; a further one takes the place of the one that has been idle longest, or
        sends its request most slowly.
    header_timeout_s
        Seconds in which the request line and the headers of a request have to arrive.
    channel_timeout_s
        Seconds after which an inactive connection is closed. A body has one more
        second for each 1,000 bytes that have arrived.
    max_held_bytes
        Bytes of all request bodies in memory; those beyond are refused with 503.
    drain_s
        Seconds after SIGTERM in which requests are still accepted, while `/readyz` answers 503.
    shutdown_grace_s
        Seconds that requests in flight then have to finish; Docker kills after 10.
    watch_s
        Seconds between two scans of the folder of heads.

    Raises
    ------
    UsageError
        When a number is not an integer of at least 1, or a host is not a host name; likewise for
        the others.
    """

    head: str | None = None
    heads: str | None = None
    cache: str | None = None
    extractor: str | None = None
    weights: str | None = None
    engine: str = "auto"
    precision: str = "auto"
    parity: str = "refuse"
    allowed_hosts: tuple[str, ...] = ()
    keys: str | None = None
    rate_limit: str | None = None
    cors_origins: tuple[str, ...] = ()
    prefix: str = ""
    trusted_proxies: tuple[str, ...] = ()
    fetch_from: tuple[str, ...] = ()
    fetch_timeout_s: int = 5
    max_body_bytes: int = 16 << 20
    max_images: int = 32
    max_pixels: int = 50_000_000
    max_decode_s: int = 5
    top: int = 5
    threads: int = 12
    queue: int = 64
    deadline_s: int = 10
    retry_after_s: int = 1
    connection_limit: int = 1000
    header_timeout_s: int = 10
    channel_timeout_s: int = 30
    max_held_bytes: int = 512 << 20
    drain_s: int = 1
    shutdown_grace_s: int = 8
    watch_s: int = 1

    def __post_init__(self) -> None:
        for entry in self.fetch_from:
            read_entry(entry, "fetch_from")
        for entry in self.allowed_hosts:
            read_allowed_host(entry, "allowed_hosts")
        for entry in self.cors_origins:
            read_origin(entry, "cors_origins")
        for entry in self.trusted_proxies:
            read_network(entry, "trusted_proxies")
        if self.rate_limit is not None:
            read_rate(self.rate_limit)
        object.__setattr__(self, "prefix", read_prefix(self.prefix, "prefix"))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type != "int":
                continue
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise UsageError(
                    f"{field.name}: expected a whole number of at least 1, received "
                    f"{received(value)}"
                )
            object.__setattr__(self, field.name, int(value))
