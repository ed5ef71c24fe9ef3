"""The kinds of pictures of a dataset. Reading it imports no library."""

from __future__ import annotations

from typing import Final

from ...errors import UsageError

MAP: Final = "map"
KINDS: Final = {
    MAP: "a map of all images",
    "samples": "photographs of each class",
    "balance": "images per class and split",
    "sizes": "width, height, bytes and formats, and images that are much unlike the others",
    "units": "transfer values that tell classes apart, and the photographs that excite them most",
}
"""By name, in words."""


def require_kind(kind: str) -> str:
    """The name of a kind of picture.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if kind not in KINDS:
        raise UsageError(f"expected a kind of picture, {', '.join(KINDS)}; received {kind!r}")
    return kind
