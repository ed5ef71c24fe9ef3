"""A connection to Ray: to the cluster at an address, or to one that this process starts."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...errors import EngineError, LibraryNotFoundError, UsageError, in_brief
from ...extras import how_to_install
from ...hardware import available_cores

if TYPE_CHECKING:
    from collections.abc import Generator

_ADDRESS = "RAY_ADDRESS"
_LOOPBACK = "127.0.0.1"


def require_ray() -> None:
    """Raise LibraryNotFoundError, with what to do, where Ray is not installed."""
    if find_spec("ray") is None:
        raise LibraryNotFoundError(
            f"extraction on a cluster needs Ray, which is not installed: {how_to_install('ray')}"
        )


@contextlib.contextmanager
def connected(address: str | None) -> Generator[Any]:
    """The module `ray`, connected for as long as the block lasts.

    A connection that the program has already is used, and stays.

    Parameters
    ----------
    address
        As `Cluster` has it. With None, and no `RAY_ADDRESS`, everything that is started listens on
        the loopback interface alone.

    Raises
    ------
    LibraryNotFoundError
        Without Ray.
    UsageError
        For an address of Ray Client.
    EngineError
        When there is no cluster at the address, or none can be started.
    """
    require_ray()
    if address is not None and address.startswith("ray://"):
        raise UsageError(
            f"{address} is an address of Ray Client: run bottlebank on a machine of the cluster, "
            f"with --ray auto"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": False,
    }
    address = address or os.environ.get(_ADDRESS)
    try:
        if address is None:
            with _loopback_only():
                ray.init(
                    address="local",
                    num_cpus=available_cores(),
                    include_dashboard=False,
                    _node_ip_address=_LOOPBACK,
                    **settings,
                )
        elif address.rpartition(":")[0] in (_LOOPBACK, "localhost"):
            with _loopback_only():
                ray.init(address=address, _node_ip_address=_LOOPBACK, **settings)
        else:
            ray.init(address=address, **settings)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        raise EngineError(f"{where} cannot be used: {in_brief(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _loopback_only() -> Generator[None]:
    """Have Ray keep the loopback address as that of this machine, and so listen on nothing else.

    Ray's servers listen on all interfaces unless the address of their node is 127.0.0.1, and on
    Linux Ray puts another address in its place, even where it is asked for.

    Raises
    ------
    EngineError
        When this version of Ray does that in another way.
    """
    services: Any = importlib.import_module("ray._private.services")
    resolve = getattr(services, "resolve_ip_for_localhost", None)
    if resolve is None:
        raise EngineError(
            "this version of Ray cannot be kept from listening on all network interfaces: start a "
            "cluster with `ray start --head`, and name it with --ray auto"
        )
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve
