"""Whether a network makes the same of an image by itself as beside others.

An image's features are kept for good, whatever else was in its batch. A network that other people
wrote may mix the images of a batch, or compute one at a time only, which no shape shows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...errors import EngineError
from .base import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

AnEngine = TypeVar("AnEngine", bound=Engine)

logger = logging.getLogger(__name__)

_ROUNDING = 1e-3
"""Of what distinguishes images from one another: far above float32, far below other images'."""
_OF_ALL = 1e-6
"""Of the features themselves, where images are hardly distinguished."""


def settled(start: Callable[[bool], AnEngine], images: np.ndarray) -> tuple[AnEngine, np.ndarray]:
    """An engine in which an image's features depend on no other, and the features of images.

    Parameters
    ----------
    start
        Starts the engine; where it is given True, for one image in a call.
    images
        uint8, (n, height, width, 3), RGB, 0 to 255, by which it is tried.

    Returns
    -------
    (Engine, ndarray)
        The features are float32, (n, width).

    Raises
    ------
    EngineError
        When it tells images apart only beside others. Besides, whatever its library raises when
        images are computed one by one.
    """
    try:
        engine = start(False)
        alone = one_by_one(engine, images)
        if max(engine.batch_sizes) == 1 or is_alike_in_batches(alone, engine(images)):
            return engine, alone
        why = "an image's features depend on the others"
    except Exception as error:  # noqa: BLE001 (whatever its library raises)
        why = str(error) or type(error).__name__
    logger.info("computed image by image: in batches, %s", why)
    engine = start(True)
    alone = one_by_one(engine, images)
    if (alone == alone[0]).all():
        raise EngineError(
            "it makes the same of every image by itself: its features depend on the others in a "
            "batch, as in training"
        )
    return engine, alone


def one_by_one(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """What a network makes of images, each by itself: float32, (n, width)."""
    return np.concatenate([run(image[np.newaxis]) for image in images])


def is_alike_in_batches(alone: np.ndarray, together: np.ndarray) -> bool:
    """Whether two arrays (n, width) of the same images differ by no more than rounding.

    Parameters
    ----------
    alone
        Each image computed by itself.
    together
        All in one batch.
    """
    if alone.shape != together.shape or not np.isfinite(together).all():
        return False
    alone, together = alone.astype(np.float64), together.astype(np.float64)
    distances = np.linalg.norm(together - alone, axis=1)
    apart = np.linalg.norm(alone - alone.mean(axis=0), axis=1)
    allowed = np.maximum(_ROUNDING * apart, _OF_ALL * np.linalg.norm(alone, axis=1))
    return bool((distances <= allowed).all())
