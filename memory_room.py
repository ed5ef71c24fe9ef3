"""Whether there is room in memory for the transfer values of so many images."""

from __future__ import annotations

from .errors import UsageError
from .formatting import mebibytes
from .hardware import available_memory_bytes


def require_room(n_images: int, width: int, n_copies: int, what: str) -> None:
    """Refuse what would have more copies of all rows in memory than there is room for.

    Parameters
    ----------
    n_images, width
        How many rows, and numbers of 4 bytes in each.
    n_copies
        Of all rows at a time.
    what
        Needs them, such as ``an audit``.

    Raises
    ------
    UsageError
        Then; with how many images there is room for.
    """
    bytes_each = 4 * n_copies * width
    needed, available = bytes_each * n_images, available_memory_bytes()
    if needed > available:
        most = max(1, available // bytes_each)
        raise UsageError(
            f"{what} of {n_images:,} images needs {mebibytes(needed)} of memory, and "
            f"{mebibytes(available)} are available: expected at most {most:,} images, such as "
            f"those that --images {most} takes at random (load_dataset(…, images={most}))"
        )
