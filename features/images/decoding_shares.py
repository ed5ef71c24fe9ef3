"""How many processes decode, and how much memory each may take.

The size of a picture is its owner's choice, and a few large ones at once can take all memory there
is. So each process has a limit, and the limits together are what decoding may take.
"""

from __future__ import annotations

from typing import NamedTuple

from ...arguments import require_whole
from ...errors import UsageError
from ...formatting import counted, mebibytes
from ...hardware import available_cores, available_memory_bytes, require_memory

MOST_BYTES = 4 << 30
"""For one process: no picture within the limits of size takes more."""

_LEAST_BYTES = 192 << 20
"""For one process. Once its libraries are loaded it has taken 65 MiB by the count of the limit (50
of them resident, half of which is shared with the others), files in hand are 24 MiB, and a
photograph of 24 megapixels takes 70 to 120 MiB in the formats that have to be decoded whole."""

_LEFT_SHARE = 4
_LEFT_BYTES = 256 << 20
"""By default a quarter of what is available is left to others, and at least as much as the network
takes: extraction with MobileNetV2 in OpenVINO on two cores took 250 MiB in the main process, of
which 66 are there before anything is shared out."""

_BESIDE_PER_BYTE = 1.5
"""What the process for large pictures takes together with what its parent holds for it: the file,
at most a quarter of the limit of the process, and once more in memory that both share."""


class Allowed(NamedTuple):
    """What the user lets decoding take; None where that is for `shares_of` to decide."""

    n_workers: int | None = None
    memory_bytes: int | None = None


class Shares(NamedTuple):
    """What decoding may take."""

    n_workers: int
    """Processes that decode at the same time."""
    worker_bytes: int
    """Memory that each of them may ask for."""
    large_bytes: int
    """Memory that one more may ask for, which decodes what is too large for them."""

    @property
    def largest_file_bytes(self) -> int:
        """Of an image file that is read."""
        return self.large_bytes // 4


def require_allowed(workers: object, memory: object) -> Allowed:
    """What `workers` and `memory` of a caller are; UsageError where they are no numbers."""
    return Allowed(
        None if workers is None else require_whole("workers", workers, 1),
        None if memory is None else require_memory("memory", memory),
    )


def shares_of(allowed: Allowed, buffer_bytes: int) -> Shares:
    """Divide memory between processes that decode.

    Parameters
    ----------
    allowed
        By default as many processes as cores, or fewer where the memory does not suffice; and three
        quarters of the memory that is available, or less where the network would have too little.
    buffer_bytes
        What each has in memory that it shares with the main process.

    Raises
    ------
    UsageError
        When that is too little memory for so many.
    """
    workers, memory = allowed
    if memory is None:
        available = available_memory_bytes()
        least = _least_for(workers or 1, buffer_bytes)
        if workers is not None and workers > 1 and least > available:
            raise UsageError(
                f"{counted(workers, 'worker')} need at least {mebibytes(least)} of memory, and "
                f"{mebibytes(available)} are available; expected fewer --workers"
            )
        memory = max(available - max(_LEFT_BYTES, available // _LEFT_SHARE), least)
    n_workers = workers or available_cores()
    while workers is None and n_workers > 1 and _least_for(n_workers, buffer_bytes) > memory:
        n_workers -= 1
    least = _least_for(n_workers, buffer_bytes)
    if memory < least:
        fewer = ", or fewer --workers" if n_workers > 1 else ""
        raise UsageError(
            f"memory is {mebibytes(memory)}; expected at least --memory {mebibytes(least)}{fewer}: "
            f"the least for {counted(n_workers, 'worker')} with this network's input size"
        )
    left = memory - n_workers * buffer_bytes
    large_bytes = min(MOST_BYTES, int((left - n_workers * _LEAST_BYTES) / _BESIDE_PER_BYTE))
    worker_bytes = min(MOST_BYTES, (left - int(large_bytes * _BESIDE_PER_BYTE)) // n_workers)
    return Shares(n_workers, worker_bytes, large_bytes)


def _least_for(n_workers: int, buffer_bytes: int) -> int:
    return n_workers * (_LEAST_BYTES + buffer_bytes) + int(_LEAST_BYTES * _BESIDE_PER_BYTE)
