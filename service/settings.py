"""The limits of a service."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service takes from one client, and from all of them together.

    Attributes
    ----------
    max_body_bytes
        The largest request body that is answered with predictions; base64 makes an image a third
        larger.
    max_images
        Most images in one request.
    top
        Classes in an answer whose request names no `?top=`; all of them when there are fewer.
    threads
        Requests that are worked on at the same time; the others wait.
    connection_limit
        Connections that are open at the same time; the others wait in the kernel.
    channel_timeout_s
        Seconds after which a connection on which nothing moves is closed.
    shutdown_grace_s
        Seconds that requests in flight have to end after SIGTERM; Docker kills after 10.

    Raises
    ------
    UsageError
        When one of them is no whole number from 1.
    """

    max_body_bytes: int = 16 << 20
    max_images: int = 32
    top: int = 5
    threads: int = 4
    connection_limit: int = 100
    channel_timeout_s: int = 30
    shutdown_grace_s: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(
                    f"{field.name}: expected a whole number of at least 1, received {value!r}"
                )
