"""Which images are a sample of many."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rows_at_random(paths: Sequence[str], source: str, n_images: int) -> list[int]:
    """Which `n_images` are taken, ascending.

    Those whose path has the smallest hash. What all paths begin with is left out of it, where that
    is `source`, or the folder in which it lies: so they are the same, wherever a folder with its
    images lies. Most of them still are when images are added or removed.
    """
    own = (os.path.join(source, ""), os.path.join(os.path.dirname(source), ""))  # noqa: PTH118, PTH120
    shared = next((each for each in own if all(path.startswith(each) for path in paths)), "")
    names = (os.fsencode(path.removeprefix(shared)) for path in paths)
    digests = [hashlib.blake2b(name, digest_size=8).digest() for name in names]
    return sorted(sorted(range(len(digests)), key=digests.__getitem__)[:n_images])
