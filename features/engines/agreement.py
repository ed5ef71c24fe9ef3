"""Whether an engine computes what the network's reference does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ...errors import EngineError
from ..golden_images import COSINE_LIMITS, N_IMAGES, golden_pixels, least_cosine

if TYPE_CHECKING:
    from .base import Engine, Source

logger = logging.getLogger(__name__)


class DisagreesError(EngineError):
    """An engine runs, but its numbers are not the network's."""


def require_agreement(engine: Engine, source: Source, *, many: bool) -> None:
    """Compare what an engine makes of the golden images with the reference, by their cosine.

    Parameters
    ----------
    engine
        That has started.
    source
        What it was started from.
    many
        Whether many images are coming: then there are enough of them to fill a batch.

    Raises
    ------
    DisagreesError
        When it is below the limit of the engine's precision.
    """
    n_times = max(engine.batch_sizes) // N_IMAGES + 1 if many else 1
    golden = np.tile(golden_pixels(source.backbone.input_size_px), (n_times, 1, 1, 1))
    reference = source.reference()
    cosine = least_cosine(engine(golden), np.tile(reference.features, (n_times, 1)))
    limit = COSINE_LIMITS[engine.precision]
    if cosine < limit:
        raise DisagreesError(
            f"its transfer values differ from those of {reference.by} in float32: cosine "
            f"{cosine:.5f}, expected at least {limit}"
        )
    logger.debug("%s in %s: cosine %.6f", engine.name, engine.precision, cosine)
