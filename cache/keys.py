"""The key of a row: the content of an image, wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key: TypeAlias = bytes
"""32 bytes: a SHA-256."""


def key_of_bytes(data: bytes) -> Key:
    """Key of an image file: SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


def key_of_array(array: NDArray[np.generic[Any]]) -> Key:
    """Key of pixels that come from no file: SHA-256 of shape, dtype and bytes in C order."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}\n".encode())
    digest.update(array.tobytes())
    return digest.digest()
