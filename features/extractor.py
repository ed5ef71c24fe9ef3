"""The extractor: a frozen network with its recipe, run by the best engine of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError, UsageError
from ..fork_safety import Owner
from .engines.network import Network
from .engines.select import start_engine
from .images.decoder import Limits
from .images.fit import decode_and_resize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .backbones.weights import Weights
    from .engines.base import Engine
    from .recipe import Recipe


class Extractor:
    """A frozen network that turns images into transfer values. Safe to call from threads."""

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        """Combine a network's recipe with an engine that runs it; see `open_extractor`."""
        self.recipe = recipe
        self._engine = engine
        self._owner = Owner(
            f"the network {recipe.extractor}",
            "Load it in each process: call load_predictor (or extract) there",
        )

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self._engine.name

    @property
    def precision(self) -> str:
        """What the network effectively computes in."""
        return self._engine.precision

    @property
    def input_size_px(self) -> tuple[int, int]:
        """(height, width) of the images that are expected."""
        return self.recipe.preprocessing.size_px

    @property
    def batch_size(self) -> int:
        """Images in a call that keep the engine busy."""
        return self._engine.batch_size

    @property
    def batch_sizes(self) -> Sequence[int]:
        """Numbers of images that are one pass; another number is several passes."""
        return self._engine.batch_sizes

    @property
    def n_calls(self) -> int:
        """Calls at once, from as many threads, that keep the engine busy."""
        return self._engine.n_calls

    def check_process(self) -> None:
        """Raise OtherProcessError in a process that was forked since the network was started."""
        self._owner.check()

    def decode_and_resize(self, data: bytes, limits: Limits = Limits()) -> np.ndarray:  # noqa: B008 (immutable)
        """Decode the bytes of an image file within `limits`, and fit them to the network.

        Returns
        -------
        ndarray
            uint8, (height, width, 3), RGB, 0 to 255, of `input_size_px`.

        Raises
        ------
        ImageRejectedError
            With the reason.
        """
        return decode_and_resize(data, self.recipe.preprocessing, limits=limits).pixels

    def transfer_values(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Parameters
        ----------
        images
            uint8, (n, height, width, 3), RGB, 0 to 255, of `input_size_px`.

        Returns
        -------
        ndarray
            float32, (n, width).

        Raises
        ------
        UsageError
            When shape or dtype are others.
        EngineError
            When the network returns values that are not finite.
        OtherProcessError
            In a process that was forked since the network was started.
        """
        self.check_process()
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[1:] != (*self.input_size_px, 3)
        ):
            raise UsageError(
                f"expected uint8 images (n, {self.input_size_px[0]}, {self.input_size_px[1]}, 3), "
                f"received {images.dtype} {images.shape}"
            )
        if len(images) == 0:
            return np.empty((0, self.recipe.width), np.float32)
        features = self._engine(images)
        if not np.isfinite(features).all():
            raise EngineError(
                f"{self.recipe.extractor} returned values that are not finite "
                f"({self.engine}, {self.precision}); try --precision float32"
            )
        return features

    def __repr__(self) -> str:
        return f"<Extractor {self.recipe.in_words()}; {self.engine}, {self.precision}>"


def open_extractor(
    recipe: Recipe,
    weights: Callable[[], Weights],
    *,
    engine: str = "auto",
    precisions: Sequence[str] = ("bfloat16", "float32"),
    networks: Path | None = None,
    many: bool = False,
    gpu: bool = False,
    progress: bool | None = None,
) -> Extractor:
    """Start the first engine and precision that run on this machine and agree with the reference.

    Every engine but TensorFlow in float32 is checked when it starts: a few synthetic images go
    through it, and the cosine with what the reference made of them must reach the precision's
    limit. The reference is TensorFlow in float32 or, for a network in an ONNX file, another library
    than the one that runs it.

    Parameters
    ----------
    recipe
        Which network.
    weights
        Finds the weights; called only where no converted network is kept yet.
    engine
        A name in the registry; or ``auto``: the first of them that runs and agrees; with `gpu`, one
        that computes on a GPU before the others.
    precisions
        What may be computed in, in order of preference.
    networks
        Folder in which converted networks are kept, so that TensorFlow is needed only once.
    many
        Whether many images are coming: a network that is compiled for them also takes batches.
    gpu
        Whether a GPU is worth the seconds in which TensorFlow starts.
    progress
        Whether a conversion, which takes some 20 s, is shown on stderr; None: as `Progress` has it.

    Raises
    ------
    EngineError
        When nothing that was requested runs here; with the reason of each.
    """
    with Network(recipe, weights, networks, progress) as network:
        return Extractor(recipe, start_engine(network, engine, precisions, many=many, gpu=gpu))
