"""Which images are a sample of many."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rows_at_random(paths: Sequence[str], source: str, n_images: int) -> list[int]:
    """Which `n_images` are taken, ascending.

    Those whose path, without `source` before it, has the smallest hash: the same again, wherever
    the dataset lies, and most of them still when images are added or removed.
    """
    start = len(os.fsencode(source))
    digests = [hashlib.blake2b(os.fsencode(path)[start:], digest_size=8).digest() for path in paths]
    return sorted(sorted(range(len(digests)), key=digests.__getitem__)[:n_images])
