"""From image files to transfer values: decoders and network, shared by all requests and heads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..features.images.formats import INSTALL_HEIF
from ..features.images.rejection import RAISE_LIMIT
from .batcher import Batcher
from .errors import DeadlineError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..features.images.decoder import Kind
    from ..features.images.decoder_pool import Decoded
    from ..prediction import Predictor
    from .settings import Settings

_FILES_AT_ONCE = 4
"""Files of one request that a decoder takes before other requests get their turn."""
_INSTEAD = {RAISE_LIMIT: "send a smaller picture", INSTALL_HEIF: "convert it to JPEG or PNG"}


class Inference:
    """Turns image files into transfer values. Safe to call from threads.

    Files are decoded in separate processes, while the network runs: a file that crashes its decoder
    costs its sender an answer, and nobody else.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Settings,
        on_pass: Callable[[int], None] = lambda n_images: None,
    ) -> None:
        """Start decoders for a predictor's extractor, without waiting until they are ready."""
        extractor = predictor.extractor
        self._width = extractor.recipe.width
        self._decoders = predictor.decoders(settings.max_decode_s, settings.max_pixels)
        self._decoders.start()
        self._batcher = Batcher(
            extractor.transfer_values, extractor.batch_sizes, extractor.n_calls, on_pass
        )

    @property
    def n_waiting(self) -> int:
        """Requests whose images wait for the network."""
        return self._batcher.n_waiting

    def __call__(
        self,
        files: Sequence[bytes | RefusedError],
        deadline: float,
        refuse: Callable[[Kind], RefusedError | None] = lambda kind: None,
    ) -> tuple[list[RefusedError | None], np.ndarray, list[Kind]]:
        """Decode image files and run the network on those that can be.

        Parameters
        ----------
        files
            Image files, or why there is none in that place.
        deadline
            By `time.monotonic`.
        refuse
            Why images of a format and colour mode are refused, or None.

        Returns
        -------
        refusals
            For each file, why it has no transfer values, or None.
        features
            float32, (n, width): of the others, in order.
        kinds
            Their formats and colour modes.

        Raises
        ------
        DeadlineError
            When decoders or network were not free in time.
        """
        refusals = [file if isinstance(file, RefusedError) else None for file in files]
        left = [row for row, refusal in enumerate(refusals) if refusal is None]
        features = []
        kinds: list[Kind] = []
        for first in range(0, len(left), _FILES_AT_ONCE):
            rows = left[first : first + _FILES_AT_ONCE]
            decoded = self._decode(
                [file for row in rows if isinstance(file := files[row], bytes)], deadline
            )
            taken = []
            for row, reason, kind in zip(rows, decoded.reasons, decoded.kinds, strict=True):
                if kind is None:
                    refusals[row] = RefusedError("image_rejected", _for_clients(reason))
                else:
                    refusals[row] = refuse(kind)
                    taken.append(refusals[row] is None)
                    kinds += [kind] if taken[-1] else []
            if any(taken):
                features.append(self._batcher(decoded.pixels[taken], deadline))
        if not features:
            return refusals, np.empty((0, self._width), np.float32), kinds
        return refusals, np.concatenate(features), kinds

    def _decode(self, files: Sequence[bytes], deadline: float) -> Decoded:
        try:
            return self._decoders.decode(files, max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise DeadlineError from None

    def close(self) -> None:
        """End the decoders."""
        self._decoders.close()


def _for_clients(reason: str) -> str:
    """A reason with the remedy of a client in place of that of the server's owner."""
    for theirs, instead in _INSTEAD.items():
        reason = reason.replace(theirs, instead)
    return reason
