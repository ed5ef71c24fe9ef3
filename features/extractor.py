"""The extractor: a frozen network with its recipe, run by the best engine of this machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import EngineError, UsageError
from ..fork_safety import Owner
from ..hardware import may_have_gpu
from .backbones.registry import Backbone, find_backbone
from .engines.conversion import converted_network, import_tensorflow_engine, read_reference
from .golden_images import (
    COSINE_LIMITS,
    N_IMAGES,
    golden_pixels,
    least_cosine,
)
from .images.decoder import Limits
from .images.fit import decode_and_resize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from .backbones.weights import Weights
    from .engines.base import Engine
    from .recipe import Recipe

ENGINES = ("auto", "openvino", "tensorflow")
PRECISIONS = ("auto", "bfloat16", "float32")

logger = logging.getLogger(__name__)


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
        return (self.recipe.input_size_px, self.recipe.input_size_px)

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
        recipe = self.recipe
        return decode_and_resize(
            data, self.input_size_px, recipe.fit, limits=limits, grey16=recipe.grey16
        )

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
    """Start the first engine and precision that this machine runs and that agree with TensorFlow.

    Every engine but the reference is checked when it starts: a few synthetic images go through
    it, and the cosine with what TensorFlow in float32 made of them must reach the precision's
    limit.

    Parameters
    ----------
    recipe
        Which network.
    weights
        Finds the weights; called only where no converted network is kept yet.
    engine
        ``openvino``, ``tensorflow``, or ``auto``: OpenVINO where it runs and agrees; before it,
        with `gpu`, TensorFlow on one.
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
        When nothing that was asked for runs here; with the reason of each.
    """
    reasons = []
    for precision in precisions:
        for candidate in _candidates(engine, precision, gpu):
            try:
                started = _start(candidate, precision, recipe, weights, networks, many, progress)
            except EngineError as error:
                reasons.append(f"{candidate.engine} in {precision}: {error}")
                level = logging.WARNING if isinstance(error, _DisagreesError) else logging.INFO
                logger.log(level, "not used: %s", reasons[-1])
            else:
                return Extractor(recipe, started)
    raise EngineError(f"no engine can run {recipe.extractor}: {'; '.join(reasons)}")


def require_known(engine: str, precision: str) -> None:
    """Raise UsageError unless both names are known."""
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UsageError(f"unknown {name} {value!r}: expected {', '.join(known)}")


def preferred_precisions(engine: str) -> Sequence[str]:
    """What ``auto`` computes in on this machine, fastest first."""
    if engine != "openvino" and may_have_gpu():
        return ("bfloat16", "float32")
    if engine == "tensorflow":
        return ("float32",)
    try:
        from .engines.openvino import supported_precisions
    except ImportError:
        return ("float32",)
    return supported_precisions()


class _Candidate(NamedTuple):
    engine: str
    only_on_gpu: bool = False


class _DisagreesError(EngineError):
    """An engine runs, but its numbers are not the network's."""


def _candidates(engine: str, precision: str, gpu: bool) -> Iterator[_Candidate]:
    if engine != "auto":
        yield _Candidate(engine)
        return
    if gpu and may_have_gpu():
        yield _Candidate("tensorflow", only_on_gpu=True)
    yield _Candidate("openvino")
    if precision == "float32":  # on a CPU TensorFlow's bfloat16 is slower still
        yield _Candidate("tensorflow")


def _start(
    candidate: _Candidate,
    precision: str,
    recipe: Recipe,
    weights: Callable[[], Weights],
    networks: Path | None,
    many: bool,
    progress: bool | None,
) -> Engine:
    backbone = find_backbone(recipe.extractor)
    if candidate.engine == "tensorflow":
        return _start_tensorflow(backbone, weights(), precision, candidate.only_on_gpu)
    try:
        from .engines.openvino import OpenVinoEngine
    except ImportError as error:
        raise EngineError(f"OpenVINO cannot be imported ({error})") from error
    with converted_network(recipe, backbone, weights, networks, progress) as folder:
        try:
            started = OpenVinoEngine(folder, precision, many=many)
        except RuntimeError as error:
            raise EngineError(str(error).strip().splitlines()[-1]) from error
        # Enough images to make a batch, and a rest.
        n_times = OpenVinoEngine.batch_size // N_IMAGES + 1 if many else 1
        _check(started, read_reference(folder), backbone, n_times)
    return started


def _start_tensorflow(
    backbone: Backbone, weights: Weights, precision: str, only_on_gpu: bool
) -> Engine:
    build = import_tensorflow_engine()
    if only_on_gpu and not build.has_gpu():
        raise EngineError("TensorFlow finds no GPU that it can use")
    started = build(backbone, weights, precision)
    if precision != "float32":
        _check(started, build(backbone, weights)(golden_pixels(backbone.input_size_px)), backbone)
    return started


def _check(engine: Engine, reference: np.ndarray, backbone: Backbone, n_times: int = 1) -> None:
    golden = np.tile(golden_pixels(backbone.input_size_px), (n_times, 1, 1, 1))
    cosine = least_cosine(engine(golden), np.tile(reference, (n_times, 1)))
    limit = COSINE_LIMITS[engine.precision]
    if cosine < limit:
        raise _DisagreesError(
            f"its transfer values differ from TensorFlow's in float32: cosine {cosine:.5f}, "
            f"at least {limit} is asked for"
        )
    logger.debug("%s in %s: cosine %.6f", engine.name, engine.precision, cosine)
