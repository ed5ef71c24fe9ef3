"""A connection to Ray: to the cluster at an address, or to one that this process starts."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...errors import EngineError, LibraryNotFoundError, ParameterError, UsageError, in_brief
from ...extras import how_to_install
from ...hardware import available_cores
from .settings import LOOPBACK, require_address

if TYPE_CHECKING:
    from collections.abc import Generator

logger = logging.getLogger(__name__)

_ADDRESS = "RAY_ADDRESS"
_ANSWERS_WITHIN_S = 10.0
_SPEAKS_WITHIN_S = 30.0
_CANNOT_BE_KEPT = (
    "this version of Ray cannot be kept from listening on all network interfaces: start a cluster "
    "with `ray start --head`, and name it with --ray auto"
)
_PROBE = "import sys, ray; ray._raylet.GcsClient(address=sys.argv[1])"


def require_ray() -> None:
    """Raise LibraryNotFoundError, with what to do, where Ray is not installed."""
    if find_spec("ray") is None:
        raise LibraryNotFoundError(
            f"extraction on a cluster needs Ray, which is not installed: {how_to_install('ray')}"
        )


@contextlib.contextmanager
def connected(address: str | None) -> Generator[tuple[Any, bool]]:
    """The module `ray`, connected while the block lasts, and whether to this machine alone.

    A connection that the program has already is used, whatever `address` is, and stays.

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
        For what is no address of a cluster.
    EngineError
        When there is no cluster at the address, or none can be started.
    """
    require_ray()
    try:
        require_address(address or os.environ.get(_ADDRESS) or None)
    except ParameterError as error:
        raise error if address else UsageError(f"RAY_ADDRESS: {error}") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield ray, False
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    settings: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": False,
    }
    address = address or os.environ.get(_ADDRESS) or None
    if address is None:
        os.environ.pop(_ADDRESS, None)  # an empty one is none, which Ray does not know
    _require_answer(address)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        if address is None:
            with _loopback_only():
                ray.init(
                    address="local",
                    num_cpus=available_cores(),
                    include_dashboard=False,
                    _node_ip_address=LOOPBACK,
                    **settings,
                )
            if ray.util.get_node_ip_address() != LOOPBACK:  # by which Ray decides where it listens
                ray.shutdown()
                raise EngineError(_CANNOT_BE_KEPT)
        elif address.rpartition(":")[0] in (LOOPBACK, "localhost"):
            with _loopback_only():
                ray.init(address=address, _node_ip_address=LOOPBACK, **settings)
        else:
            ray.init(address=address, **settings)
    except EngineError:
        raise
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if address == "auto" and isinstance(error, ConnectionError):
            raise EngineError(
                "no Ray cluster runs on this machine: start one with `ray start --head`, or give "
                "host:port of its head; --ray alone starts one for this extraction"
            ) from error
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        raise EngineError(f"{where} cannot be used: {in_brief(error)}") from error
    if threading.current_thread() is threading.main_thread() and on_sigterm is not None:
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own prints its stack and exits
    try:
        with _kept_quiet():
            yield ray, address is None
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Raise EngineError where nothing listens at an address: Ray would try it for many minutes."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_WITHIN_S):
            pass
        subprocess.run(
            [sys.executable, "-c", _PROBE, address or ""],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SPEAKS_WITHIN_S,
            check=False,  # another version of Ray says itself what it misses
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"no Ray cluster answers at {address}, though something listens there: it takes the "
            f"address that `ray start --head` prints, not that of the dashboard"
        ) from error
    except OSError as error:
        raise EngineError(
            f"no Ray cluster answers at {address}: {error.strerror or error}"
        ) from error


@contextlib.contextmanager
def _kept_quiet() -> Generator[None]:
    """Have what Ray tells of lost workers and nodes, a screen for each, logged for debugging.

    The driver says itself what is lost. A version of Ray that does it in another way is heard.
    """
    told: Any = importlib.import_module("ray._private.worker")
    before = getattr(told, "print_to_stdstream", None)
    told.print_to_stdstream = lambda data, **_: logger.debug("ray: %s", data)
    try:
        yield
    finally:
        told.print_to_stdstream = before


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
        raise EngineError(_CANNOT_BE_KEPT)
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve
