"""What a caller says of the cluster that extracts."""

from __future__ import annotations

from dataclasses import dataclass

from ...arguments import require_number, require_whole


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
    """

    address: str | None = None
    workers: int | None = None
    cores: int | None = None
    gpus: float = 0

    def __post_init__(self) -> None:
        """Raise ParameterError for a number that cannot be meant."""
        for name in ("workers", "cores"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, require_whole(name, value, 1))
        gpus = require_number("gpus", self.gpus, "a number from 0 to 64", -1e-9, 64 + 1e-9)
        object.__setattr__(self, "gpus", gpus)
