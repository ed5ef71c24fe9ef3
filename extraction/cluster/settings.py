"""What a caller says of the cluster that extracts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...arguments import is_one_of, received, require_number, require_whole, type_of
from ...errors import ParameterError, WrongTypeError

LOOPBACK = "127.0.0.1"
_PLACE = re.compile(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and what each worker on it may take.

    Attributes
    ----------
    address
        Of the cluster's head, as ``10.0.0.5:6379``, or ``auto`` for one that runs on this machine.
        None: `RAY_ADDRESS`, else a cluster of this machine alone that ends with the extraction and
        that no other machine can reach.
    workers
        How many there are: each has a network and its own processes that decode. None: one on each
        machine that the cluster has at the start.
    cores
        CPU cores of each. None: as many as the smallest of these machines has.
    gpus
        GPUs of each; parts of one are allowed.
    metrics
        Where figures of the run are served for Prometheus, as a port of this machine or as
        ``host:port``. None: nowhere.

    Raises
    ------
    ParameterError
        For a value that is not taken.
    """

    address: str | None = None
    workers: int | None = None
    cores: int | None = None
    gpus: float = 0
    metrics: str | int | None = None

    def __post_init__(self) -> None:
        """Raise ParameterError for what cannot be meant."""
        require_address(self.address)
        for name in ("workers", "cores"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, require_whole(name, value, 1))
        gpus = require_number("gpus", self.gpus, "a number from 0 to 64", -1e-9, 64 + 1e-9)
        object.__setattr__(self, "gpus", gpus)
        self.metrics_at()

    def metrics_at(self) -> tuple[str, int] | None:
        """Host and port of `metrics`."""
        if self.metrics is None:
            return None
        found = _PLACE.fullmatch(str(self.metrics).strip())
        if found is None or not 0 < int(found[2]) < 1 << 16:
            raise ParameterError(
                "metrics", f"is {received(self.metrics)}; expected a port, or host:port"
            )
        return (found[1] or LOOPBACK).strip("[]"), int(found[2])


def require_address(value: object) -> None:
    """Raise ParameterError for what is no address of a Ray cluster."""
    if value is None or is_one_of(value, ["auto"]):
        return
    if isinstance(value, str) and value.startswith("ray://"):
        raise ParameterError(
            "address",
            f"is {received(value)}, of Ray Client: run bottlebank on a machine of the cluster, "
            f"with the address auto",
        )
    found = _PLACE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] is None:
        raise ParameterError(
            "address", f"is {received(value)}; expected host:port of a Ray cluster, or auto"
        )


def require_cluster(value: object) -> None:
    """Raise WrongTypeError for what is no `Cluster`."""
    if not isinstance(value, Cluster):
        raise WrongTypeError(
            f"cluster is {type_of(value)}; expected a Cluster, such as bb.Cluster('auto')"
        )
