"""What the routes share: heads, decoders and network, training images, counters."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from ..errors import BottlebankError
from ..prediction import open_training_images
from ..untrusted.fetch import Fetcher
from .errors import RefusedError, without_folders
from .heads import Heads
from .inference import Inference
from .initial_head import open_heads
from .metrics import Metrics
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..classifier import Head
    from ..features import Extractor
    from ..prediction import TrainingImages

logger = logging.getLogger(__name__)


class Service:
    """One extractor with its heads and metrics. Safe to use from threads.

    Attributes
    ----------
    settings : Settings
    heads : Heads
    inference : Inference
    metrics : Metrics
    fetcher : Fetcher
    ready : bool
        Whether requests are accepted, for `/readyz`.
    """

    def __init__(
        self,
        heads: Heads,
        settings: Settings = Settings(),  # noqa: B008 (immutable)
        metrics: Metrics | None = None,
        find_training_images: Callable[[Head], TrainingImages] | None = None,
    ) -> None:
        """Start decoders, run the network a few times, and watch the folder of heads."""
        # A head's matrix products are small: BLAS threads would wait for one another longer than
        # the network takes.
        self._one_thread = threadpool_limits(1, "blas")
        self.settings = settings
        self.heads = heads
        self.metrics = Metrics() if metrics is None else metrics
        predictor = heads.served.predictor
        _warm_up(predictor.extractor)  # before the first request waits for it
        self.inference = Inference(predictor, settings, self.metrics.batch_images.observe)
        self.fetcher = Fetcher(
            settings.fetch_from,
            max_bytes=settings.max_body_bytes,
            timeout_s=settings.fetch_timeout_s,
        )
        self.metrics.watch(
            lambda: self.inference.n_waiting,
            lambda: {
                "version": heads.served.predictor.version,
                "name": heads.served.name.encode("utf-8", "backslashreplace").decode(),
                "extractor": predictor.extractor_name,
                "precision": predictor.precision,
            },
        )
        self._find_training_images = find_training_images or (
            lambda head: open_training_images(head, settings.cache)
        )
        self._training_images: tuple[str, TrainingImages] | None = None
        self._reading = threading.Lock()
        heads.watch(settings.watch_s)
        self.ready = True

    @classmethod
    def open(cls, settings: Settings) -> Service:
        """Load what the settings name.

        Raises
        ------
        BottlebankError
            When it cannot be loaded; see `open_heads`.
        """
        metrics = Metrics()
        heads = open_heads(settings, lambda result: metrics.swaps.labels(result).inc())
        return cls(heads, settings, metrics)

    def training_images(self, head: Head) -> TrainingImages:
        """What a head was trained on; read from the cache at the first request.

        Raises
        ------
        RefusedError
            With 409, when it is not in the cache.
        """
        with self._reading:
            if self._training_images is None or self._training_images[0] != head.version:
                try:
                    found = self._find_training_images(head)
                except (BottlebankError, OSError, ValueError, MemoryError) as error:
                    # NoTrainingImagesError, or a damaged file in the cache.
                    logger.warning("no training images of head %s: %s", head.version, error)
                    reason = without_folders(str(error))
                    raise RefusedError("no_training_images", reason, status=409) from error
                self._training_images = head.version, found
            return self._training_images[1]

    def close(self) -> None:
        """End threads and processes."""
        self.ready = False
        self.heads.close()
        self.inference.close()
        self._one_thread.restore_original_limits()


def _warm_up(extractor: Extractor) -> None:
    height, width = extractor.input_size_px
    for size in (1, max(extractor.batch_sizes)):
        extractor.transfer_values(np.zeros((size, height, width, 3), np.uint8))
