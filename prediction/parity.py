"""Whether the extractor here computes what a head was trained on: measured, not believed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from ..classifier import Probe
from ..errors import HeadMismatchError, ImageRejectedError, UsageError
from ..features.golden_images import least_cosine
from ..features.parity import parity_images, transfer_values_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import numpy as np

    from ..cache import CacheFolder
    from ..classifier import Head
    from ..features import Extractor, Recipe

PARITY = ("refuse", "warn")
"""What is done with a head whose probe comes out otherwise."""

LIMIT_FLOAT32 = 0.9999
LIMIT = 0.99
"""Where either side computed in fewer bits: bfloat16 is rounded otherwise on other processors."""

logger = logging.getLogger(__name__)


def require_known_parity(parity: str) -> None:
    """Raise UsageError unless `parity` is one of `PARITY`."""
    if parity not in PARITY:
        raise UsageError(f"unknown parity {parity!r}: expected {' or '.join(PARITY)}")


def parity_probe(
    folder: CacheFolder, recipe: Recipe, precision: str, start: Callable[[], Extractor]
) -> Probe:
    """Synthetic images and their transfer values, kept in the cache beside the recipe's rows.

    `start` opens the extractor, when they are not there yet.
    """
    kept = folder.parity(recipe.fingerprint, precision)
    if kept is not None and kept[1].shape == (len(kept[0]), recipe.width):
        return Probe(*kept)
    files = parity_images(recipe.input_size_px)
    features = transfer_values_of(start(), files)
    folder.keep_parity(recipe.fingerprint, precision, files, features)
    return Probe(files, features)


class KeptProbe(NamedTuple):
    """What the cache's extractor made of a head's probe images."""

    precision: str
    features: np.ndarray
    """Float32, (n, width)."""


def kept_probe(
    folder: CacheFolder, fingerprint: str, precisions: Sequence[str], head: Head
) -> KeptProbe | None:
    """What is kept beside the rows of the first precision that has any; None without."""
    for precision in precisions:
        kept = folder.parity(fingerprint, precision)
        if kept is not None and head.probe is not None and kept[0] == list(head.probe.files):
            return KeptProbe(precision, kept[1])
    return None


def check_parity(
    head: Head,
    name: str | os.PathLike[str],
    precision: str,
    compute: Callable[[Sequence[bytes]], np.ndarray],
    parity: str,
) -> bool:
    """Compare what a head's probe images give here with what they gave when it was trained.

    Parameters
    ----------
    head
        From `load_head`.
    name
        Its file, for the message.
    precision
        What is computed in here.
    compute
        Turns the probe's image files into transfer values (n, width).
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
        raise HeadMismatchError(
            f"{name}: {reason}. Train it again here, or use it all the same with --parity warn"
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
    if head.probe is None:
        return "it holds no probe images, by which the extractor could be recognised"
    try:
        features = compute(head.probe.files)
    except ImageRejectedError as error:
        return f"a probe image cannot be decoded: {error}"
    cosine = least_cosine(features, head.probe.features)
    both_float32 = precision == head.precision == "float32"
    limit = LIMIT_FLOAT32 if both_float32 else LIMIT
    logger.debug("parity of %s: cosine %.6f", name, cosine)
    if cosine >= limit:
        return None
    return (
        f"its probe images give other transfer values here than when it was trained: cosine "
        f"{cosine:.5f}, at least {limit} is asked for. Decoding, scaling, weights or precision "
        f"have changed"
    )
