"""`bottlebank serve`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..formatting import counted
from ..service.access.hosts import read_allowed_host
from ..service.access.origins import read_origin
from ..service.access.proxies import read_network, read_prefix
from ..service.access.rate_limit import read_rate
from ..service.settings import LIMITS, Settings
from ..untrusted.urls import read_entry
from .command import command, option
from .output import tell
from .parameters import choices, options
from .parameters.types import (
    COUNT,
    FILE,
    FOLDER,
    Checked,
    Choice,
    Names,
    WholeNumber,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class _Listed(Names):
    """Hosts, origins or networks that a function of the service understands."""

    def __init__(self, read: Callable[[str], object]) -> None:
        super().__init__()
        self._read = read

    def convert(  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple, as in `Settings`)
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; none where the text is empty."""
        if not value or not value.strip():
            return ()
        found = super().convert(value, param, ctx)
        for name in found:
            try:
                self._read(name)
            except UsageError as error:
                self.fail(str(error), param, ctx)
        return tuple(found)


def _limits(function: Any) -> Any:
    for name, text in reversed(LIMITS.items()):
        function = option(
            f"--{name.replace('_', '-')}",
            type=COUNT,
            default=getattr(Settings, name),
            metavar="N",
            section="Limits",
            part_of="limits",
            help=text,
        )(function)
    return function


@command(
    example="bottlebank serve --head head.h5 --port 8000\n"
    "curl -F image=@holiday.jpg http://127.0.0.1:8000/predict"
)
@options.head(help="a head file from `bottlebank train`; this or --heads is required")
@option(
    "--heads",
    type=FOLDER,
    metavar="DIR",
    help="a folder of head files: the newest answers, and each new one takes over",
)
@options.loading()
@option(
    "--host",
    default="127.0.0.1",
    metavar="HOST",
    help="address to listen on; 0.0.0.0 accepts connections from the network",
)
@option(
    "--port",
    type=WholeNumber(0, 65_535),
    default=8000,
    metavar="N",
    help="port to listen on; 0 takes a free one",
)
@option(
    "--allowed-hosts",
    type=_Listed(read_allowed_host),
    default=(),
    metavar="HOST,…",
    help="host names to answer to, besides localhost and IP addresses; *.example.com means every "
    "subdomain of example.com, * any name",
)
@option(
    "--fetch-from",
    type=_Listed(read_entry),
    default=(),
    metavar="HOST,…",
    default_in_words="none",
    help="hosts from which images named by URL are fetched; *.example.com means every subdomain "
    "of example.com",
)
@option(
    "--keys",
    type=FILE,
    metavar="FILE",
    default_in_words="no key is needed",
    does_empty_count=True,
    section="Access",
    part_of="access",
    help="keys from `bottlebank keys add`, of which each request needs one; read again when the "
    "file changes",
)
@option(
    "--rate-limit",
    type=Checked(read_rate),
    metavar="N/s|N/min|N/h",
    default_in_words="none",
    does_empty_count=True,
    section="Access",
    part_of="access",
    help="requests that each key, or without keys each address, may send; further ones are "
    "refused with 429",
)
@option(
    "--cors-origins",
    type=_Listed(read_origin),
    default=(),
    metavar="ORIGIN,…",
    default_in_words="none",
    section="Access",
    part_of="access",
    help="sites whose pages may use the service, such as https://app.example.com; "
    "https://*.example.com means every subdomain, * any site",
)
@option(
    "--prefix",
    type=Checked(read_prefix),
    default="",
    metavar="/PATH",
    default_in_words="none",
    section="Access",
    part_of="access",
    help="the path under which a proxy offers the service",
)
@option(
    "--trusted-proxies",
    type=_Listed(read_network),
    default=(),
    metavar="ADDRESS,…",
    default_in_words="none",
    section="Access",
    part_of="access",
    help="addresses and networks, such as 10.0.0.0/8, of proxies whose X-Forwarded-For, -Proto, "
    "-Host and -Prefix are believed",
)
@option(
    "--log",
    type=Choice(choices.LOGS),
    default=choices.LOGS[0],
    default_in_words="text on a terminal, else json",
    help="how requests are logged on stderr",
)
@_limits
def run(
    head: str | None,
    heads: str | None,
    loading: dict[str, Any],
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    fetch_from: tuple[str, ...],
    access: dict[str, Any],
    log: str,
    limits: dict[str, Any],
) -> int:
    """Serve until it is interrupted."""
    head, heads = _one_of(head=head, heads=heads)
    settings = Settings(
        head=head,
        heads=heads,
        allowed_hosts=allowed_hosts,
        fetch_from=fetch_from,
        **loading,
        **access,
        **limits,
    )
    from concurrent.futures import ThreadPoolExecutor

    from ..service import Service
    from ..service.access.key_file import read_keys

    if settings.keys is not None:
        read_keys(settings.keys)  # before the network is loaded

    def import_the_rest() -> None:
        from ..service import app, http  # noqa: F401

    # While the network is compiled: in turn, it took 1.13 times as long (`benchmarks/startup.py`).
    with ThreadPoolExecutor(1) as beside:
        imported = beside.submit(import_the_rest)
        service = Service.open(settings)
        imported.result()
    from ..service import create_app, log_requests, serve
    from ..service.admission import ADMISSION
    from ..service.request_context import HOSTS

    log_requests(log)

    def on_ready(url: str) -> None:
        name, predictor = service.heads.served
        key = "" if settings.keys is None else "-H 'X-API-Key: KEY' "
        tell(
            f"serving {name} (version {predictor.version}: "
            f"{counted(len(predictor.classes), 'class', 'classes')}, "
            f"{predictor.extractor_name}, {predictor.engine} in {predictor.precision}) at {url}",
            str(app.extensions[HOSTS]),
            str(app.extensions[ADMISSION]),
            f"try: curl {key}-F image=@IMAGE {url.rstrip('/')}{settings.prefix}/predict; "
            f"Ctrl-C ends",
        )
        sys.stdout.flush()  # it may be a pipe

    app = create_app(settings, service)
    serve(app, host, port, settings, on_ready)
    return 0


def _one_of(**values: str | None) -> list[str | None]:
    """Values of options of which one is required; a typed one wins over the environment."""
    context = click.get_current_context()
    given = [name for name, value in values.items() if value is not None]
    typed = [
        name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    chosen = typed or given
    if len(chosen) != 1:
        names = " and ".join(f"--{name}" for name in values)
        what = "both" if chosen else "neither"
        raise click.UsageError(f"expected one of {names}, received {what}", context)
    return [value if name in chosen else None for name, value in values.items()]
