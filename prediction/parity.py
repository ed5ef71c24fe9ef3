"""Whether the extractor here computes what a head was trained on: measured, not believed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..arguments import is_one_of, received
from ..errors import HeadMismatchError, ImageRejectedError, UsageError
from ..features.golden_images import least_cosine

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import numpy as np

    from ..classifier import Head

PARITY = ("refuse", "warn")
"""What is done with a head whose golden images have other transfer values here."""

LIMIT_FLOAT32 = 0.9999
LIMIT = 0.99
"""Where either computed in 16 bits, which are rounded otherwise on other processors."""

logger = logging.getLogger(__name__)


def require_known_parity(parity: str) -> None:
    """Raise UsageError unless `parity` is one of `PARITY`."""
    if not is_one_of(parity, PARITY):
        raise UsageError(f"unknown parity {received(parity)}: expected {' or '.join(PARITY)}")


def check_parity(
    head: Head,
    name: str | os.PathLike[str],
    precision: str,
    compute: Callable[[Sequence[bytes]], np.ndarray],
    parity: str,
) -> bool:
    """Compare what a head's golden images give here with what they gave when it was trained.

    Parameters
    ----------
    head
        From `load_head`.
    name
        Its file, or what else it is called, for the message.
    precision
        What is computed in here.
    compute
        Turns the golden image files into transfer values (n, width).
    parity
        One of `PARITY`.

    Returns
    -------
    bool
        Whether they agree.

    Raises
    ------
    HeadMismatchError
        When they differ, and `parity` is ``refuse``.
    """
    reason = _difference(head, name, precision, compute)
    if reason is None:
        return True
    if parity == "refuse":
        remedy = "Train it again here"
        if precision == "float32" != head.precision:
            remedy = "Train it with --precision float32, in which it is computed here"
        raise HeadMismatchError(
            f"{name}: {reason}. {remedy}, or use it all the same with --parity warn"
        )
    logger.warning("warning: %s: %s", name, reason)
    return False


def _difference(
    head: Head,
    name: str | os.PathLike[str],
    precision: str,
    compute: Callable[[Sequence[bytes]], np.ndarray],
) -> str | None:
    """Why the extractor here is not shown to be the head's own, or None."""
    if head.golden is None:
        return "it holds no golden images to check the extractor with"
    try:
        features = compute(head.golden.files)
    except ImageRejectedError as error:
        return f"a golden image cannot be decoded: {error}"
    cosine = least_cosine(features, head.golden.features)
    both_float32 = precision == head.precision == "float32"
    limit = LIMIT_FLOAT32 if both_float32 else LIMIT
    logger.debug("parity of %s: cosine %.6f", name, cosine)
    if cosine >= limit:
        return None
    return (
        f"its golden images give other transfer values here than when it was trained: cosine "
        f"{cosine:.5f}, at least {limit} is required. Decoding, scaling, weights or precision "
        f"have changed"
    )
