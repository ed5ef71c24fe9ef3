"""`bottlebank serve`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..figures import counted
from ..service.settings import Settings
from .answers import tell
from .parser import add_command, add_engine, add_parity, count, names, port

if TYPE_CHECKING:
    from collections.abc import Callable


LIMITS = {
    "max_body_bytes": "bytes that the images of one request have together",
    "max_images": "images in one request",
    "max_pixels": "pixels of the largest picture",
    "max_decode_s": "processor seconds that one picture may take",
    "top": "classes in an answer whose request names no ?top=",
    "threads": "requests that are worked on at the same time",
    "queue": "requests that may wait; those beyond are refused with 503",
    "deadline_s": "seconds after which a request that still waits is refused with 503",
    "retry_after_s": "seconds after which a refused client is told to try again",
    "fetch_timeout_s": "seconds that fetching an image by URL may take",
    "connection_limit": "connections that are open at the same time",
    "header_timeout_s": "seconds in which the headers of a request have to arrive",
    "channel_timeout_s": "seconds after which a connection without traffic is closed",
    "max_held_bytes": "bytes of all request bodies in memory; those beyond are refused with 503",
    "drain_s": "seconds after SIGTERM in which requests are still taken",
    "shutdown_grace_s": "seconds that requests in flight have to end then",
    "watch_s": "seconds between two looks at the folder of heads",
}
"""Settings of the service that are numbers, and what they are."""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "serve",
        run,
        summary="Answer predictions over HTTP, with a page to drop images on.",
        example="bottlebank serve --head head.h5 --port 8000\n"
        "  curl -F image=@holiday.jpg http://127.0.0.1:8000/predict",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--head", metavar="HEAD.h5", help="a head file from `bottlebank train`")
    which.add_argument(
        "--heads",
        metavar="DIR",
        help="a folder of head files: the newest answers, and each that is added takes over",
    )
    parser.add_argument("--extractor", metavar="NAME", help="refuse a head of another extractor")
    parser.add_argument(
        "--weights", metavar="imagenet|FILE", help="where the weights are, if they have moved"
    )
    add_parity(parser)
    add_engine(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 opens it to the network (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=port, default=8000, metavar="N", help="0 takes a free one (default: 8000)"
    )
    parser.add_argument(
        "--allowed-hosts",
        type=allowed_hosts,
        default=(),
        metavar="HOST,…",
        help="names under which browsers and proxies ask for this server, beside localhost and "
        "addresses in numbers; *.example.com stands for all below example.com, * for all",
    )
    parser.add_argument(
        "--fetch-from",
        type=hosts_to_fetch_from,
        default=(),
        metavar="HOST,…",
        help="fetch images that a request names by URL from these hosts; *.example.com stands "
        "for all below example.com (default: from none)",
    )
    parser.add_argument(
        "--log",
        choices=("auto", "json", "text"),
        default="auto",
        help="how requests are logged on stderr (default: text on a terminal, else json)",
    )
    limits = parser.add_argument_group("limits")
    for name, text in LIMITS.items():
        default = getattr(Settings, name)
        limits.add_argument(
            f"--{name.replace('_', '-')}",
            type=count,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is interrupted."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import fields

    from ..service import Service

    def import_the_rest() -> None:
        from ..service import app, server  # noqa: F401

    given = vars(arguments)
    named = {field.name: given[field.name] for field in fields(Settings) if field.name in given}
    settings = Settings(**named)
    with ThreadPoolExecutor(1) as beside:  # imported while the network is compiled
        imported = beside.submit(import_the_rest)
        service = Service.open(settings)
        imported.result()
    from ..service import create_app, log_requests, serve
    from ..service.request_context import HOSTS

    log_requests(arguments.log)

    def on_ready(url: str) -> None:
        name, predictor = service.heads.served
        tell(
            f"serving {name} (version {predictor.version}: "
            f"{counted(len(predictor.classes), 'class', 'classes')}, "
            f"{predictor.extractor_name}, {predictor.engine} in {predictor.precision}) at {url}",
            names_in_words(str(app.extensions[HOSTS])),
            f"try: curl -F image=@IMAGE {url.rstrip('/')}/predict; Ctrl-C ends",
        )
        sys.stdout.flush()  # it may be a pipe

    app = create_app(settings, service)
    serve(app, arguments.host, arguments.port, settings, on_ready)
    return 0


def names_in_words(named: str) -> str:
    """As whom a server answers that knows `named` names, with commas between, beside its own."""
    if "*" in named.split(", "):
        return "it answers under every name"
    if named:
        return f"it answers as localhost, at any address in numbers, and as {named}"
    return (
        "it answers as localhost and at any address in numbers; other names have to be named with "
        "--allowed-hosts"
    )


def hosts_to_fetch_from(text: str) -> tuple[str, ...]:
    """Host names with commas between."""
    from ..service.urls import read_entry

    return _hosts(text, read_entry)


def allowed_hosts(text: str) -> tuple[str, ...]:
    """Host names with commas between, or `*`, or addresses."""
    from ..service.hosts import read_allowed_host

    return _hosts(text, read_allowed_host)


def _hosts(text: str, read: Callable[[str], object]) -> tuple[str, ...]:
    found = tuple(names(text)) if text.strip() else ()
    try:
        for host in found:
            read(host)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return found
