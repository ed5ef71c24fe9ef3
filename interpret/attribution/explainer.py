"""A head and its network, opened once, that explain images by one method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import require_one_of, require_seed, require_whole
from ...errors import ParameterError
from ...features.engines.registry import AUTO, REFERENCE
from ...features.images.decoder import MAX_PIXELS, require_max_pixels
from ...progress import Progress
from .. import log_odds
from ..given_image import decoded, read_image
from ..known_class import require_class
from ..opening import open_for_head, require_image_itself
from .baseline import baseline_of
from .found import Saliency
from .gradcam import GradCam, enlarged, layer_for
from .integrated import MOST_STEPS, GradientsOnAWay, Way, integrated_gradients
from .methods import (
    BASELINES,
    GRADCAM,
    GREY,
    INTEGRATED,
    LOG_ODDS,
    METHODS,
    OCCLUSION,
    SCORES,
)
from .occlusion import occlusion, patch_and_stride, starts
from .sanity import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...classifier.given_head import HeadLike
    from ...classifier.head import HeadAnswer
    from ...features import Recipe
    from ...prediction import Predictor
    from ...prediction.image_inputs import ImageLike, Input
    from ..network import DifferentiableNetwork

    Found = tuple[np.ndarray, dict[str, Any]]
    RandomMaps = Callable[[np.ndarray, int], list[np.ndarray]]
    Score = Callable[[np.ndarray, int], np.ndarray]
    """Of images, uint8 (n, height, width, 3), and the number of a class: float (n,)."""

_SANITY_STEPS = 32
_RANDOM_NETWORKS = 5
"""That Grad-CAM's map is compared with: of its few places, one alone agrees or not by chance."""
_NOT_WANTED = "it was not requested"
_NO_GRADIENTS = (
    "occlusion on the engine {} cannot exchange weights; --engine tensorflow can, where it "
    "runs the network"
)


class Explainer(ABC):
    """Explains images; made by `open_explainer`."""

    method = ""
    engine = REFERENCE

    def __init__(
        self, recipe: Recipe, classes: tuple[str, ...], max_pixels: int, progress: bool | None
    ) -> None:
        self.recipe, self.classes = recipe, classes
        self._max_pixels, self._progress = max_pixels, progress

    def __call__(self, image: ImageLike, label: str | None = None, name: str = "") -> Saliency:
        """Explain the probability of a class, by default the most probable one.

        Raises
        ------
        UsageError
            When the head has no class of that name.
        ImageRejectedError
            When it cannot be read or decoded; `name`, or its path, stands before the reason.
        """
        return self.explain(read_image(image, name), label)

    def explain(self, given: Input, label: str | None = None) -> Saliency:
        """As when called, of an image from `read_image`."""
        index = None if label is None else self.index_of(label)
        rule = self.recipe.preprocessing
        shown = decoded(given, self._max_pixels, rule)
        pixels = rule.applied_to(shown)
        answer = self._answer(pixels[np.newaxis])
        predicted = int(answer.probabilities[0].argmax())
        index = predicted if index is None else index
        values, settings = self._explained(pixels, index)
        check = checked(self.method, values, *self._permuted(pixels, index))
        return Saliency(
            method=self.method,
            label=self.classes[index],
            probability=float(answer.probabilities[0, index]),
            predicted=self.classes[predicted],
            unknown=bool(answer.unknown[0]),
            values=self._shown(values),
            photograph=shown,
            window=rule.window(*shown.shape[:2]),
            permuted=None if check.drawn is None else self._shown(check.drawn, signed=True),
            sanity=check.correlation,
            sanity_each=check.each,
            sanity_of_sizes=check.of_sizes,
            sanity_note=check.note,
            engine=self.engine,
            extractor=self.recipe.extractor,
            settings=settings,
        )

    def index_of(self, label: str) -> int:
        """The number of a class.

        Raises
        ------
        UsageError
            When the head has none of that name.
        """
        require_class(self.classes, label)
        return self.classes.index(label)

    @abstractmethod
    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        """Of uint8 (n, height, width, 3)."""

    @abstractmethod
    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        """The signed map of uint8 (height, width, 3), and what is to be said of it."""

    def _shown(self, values: np.ndarray, *, signed: bool = False) -> np.ndarray:
        """A map in pixels of the network's input, from what explains."""
        return values

    @abstractmethod
    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        """Maps of networks with random weights, or why there are none."""


class _ByGradients(Explainer):
    def __init__(self, network: DifferentiableNetwork, seed: int | None, **settings: Any) -> None:
        super().__init__(network.recipe, network.classes, **settings)
        import tensorflow as tf

        side_px = network.input_size_px
        picture = tf.TensorSpec([1, side_px, side_px, 3], tf.float32)
        self._features = tf.function(network.features, input_signature=[picture])
        self._network, self._seed = network, seed
        self._random: RandomMaps | None = None

    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        head = self._network.head
        assert head is not None
        return head.answer(self._features(pixels.astype(np.float32)).numpy())

    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        if self._seed is None:
            return [], _NOT_WANTED
        if self._random is None:
            self._random = self._random_maps(self._network.with_permuted_kernels(self._seed))
        return self._random(pixels, index), ""

    @abstractmethod
    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """What makes maps of a network with random weights."""


class _GradCam(_ByGradients):
    method = GRADCAM

    def __init__(
        self, network: DifferentiableNetwork, seed: int | None, layer: str | None, **settings: Any
    ) -> None:
        super().__init__(network, seed, **settings)
        self._layer = layer_for(network, layer)
        self._map_of = GradCam(network, self._layer)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        return self._map_of(pixels, index), {"layer": self._layer}

    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        map_of, seed, again = GradCam(network, self._layer), self._seed, network.permute_again
        assert seed is not None and again is not None, "layers are those of a Keras model"

        def maps_of(pixels: np.ndarray, index: int) -> list[np.ndarray]:
            found = []
            for number in range(_RANDOM_NETWORKS):
                again((seed + number) % 2**32)
                found.append(map_of(pixels, index))
            return found

        return maps_of

    def _shown(self, values: np.ndarray, *, signed: bool = False) -> np.ndarray:
        """Cut at zero before it is enlarged, as by the authors: no place loses to its neighbour."""
        kept = values if signed else np.maximum(values, 0)
        return enlarged(kept, self.recipe.input_size_px)


class _Integrated(_ByGradients):
    method = INTEGRATED

    def __init__(
        self,
        network: DifferentiableNetwork,
        seed: int | None,
        baseline: str,
        most_steps: int,
        **settings: Any,
    ) -> None:
        super().__init__(network, seed, **settings)
        self._baseline, self._most_steps = baseline, most_steps
        self._gradients = GradientsOnAWay(network)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        way = Way(baseline_of(self._baseline, pixels), pixels, index)
        with Progress("Integrating gradients", unit="steps", show=self._progress) as bar:
            found = integrated_gradients(self._gradients, way, most_steps=self._most_steps, bar=bar)
        return found.values, {
            "baseline": self._baseline,
            "steps": found.steps,
            "score_difference": found.difference,
            "completeness_error": found.error,
            "completeness_miss": found.miss,
        }

    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """With a fixed number of points: such a network has no answer to be complete about."""
        gradients = GradientsOnAWay(network)
        middles = (np.arange(_SANITY_STEPS) + 0.5) / _SANITY_STEPS

        def maps_of(pixels: np.ndarray, index: int) -> list[np.ndarray]:
            way = Way(baseline_of(self._baseline, pixels), pixels, index)
            with Progress("Checking with random weights", unit="steps", show=self._progress) as bar:
                return [gradients(way, middles, bar)[1].mean(axis=0)]

        return maps_of


class _Occlusion(Explainer):
    method = OCCLUSION

    def __init__(
        self,
        predictor: Predictor,
        baseline: str,
        score: str,
        patch_px: int | None,
        stride_px: int | None,
        random: Score | None,
        note: str,
        **settings: Any,
    ) -> None:
        extractor = predictor.extractor
        super().__init__(extractor.recipe, predictor.classes, **settings)
        self.engine = extractor.engine
        self._predictor, self._batch_size = predictor, extractor.batch_size
        self._baseline, self._score, self._random, self._note = baseline, score, random, note
        side_px = self.recipe.input_size_px
        self._patch_px, self._stride_px = patch_and_stride(side_px, patch_px, stride_px)

    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        return self._predictor.answer(pixels)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        score = self._odds if self._score == LOG_ODDS else self._probability
        values = self._hiding(score, pixels, index, "Hiding parts")
        return values, {
            "score": self._score,
            "baseline": self._baseline,
            "patch_px": self._patch_px,
            "stride_px": self._stride_px,
        }

    def _odds(self, images: np.ndarray, index: int) -> np.ndarray:
        return log_odds.of_probabilities(self._predictor.probabilities(images), index)

    def _probability(self, images: np.ndarray, index: int) -> np.ndarray:
        return self._predictor.probabilities(images)[:, index]

    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        if self._random is None:
            return [], self._note
        return [self._hiding(self._random, pixels, index, "Checking with random weights")], ""

    def _hiding(
        self,
        score: Score,
        pixels: np.ndarray,
        index: int,
        what: str,
    ) -> np.ndarray:
        side_px = self.recipe.input_size_px
        total = len(starts(side_px, self._patch_px, self._stride_px)) ** 2
        with Progress(what, total, unit="parts", show=self._progress) as bar:
            return occlusion(
                lambda images: score(images, index),
                pixels,
                baseline_of(self._baseline, pixels),
                self._patch_px,
                self._stride_px,
                batch_size=self._batch_size,
                bar=bar,
            )


def open_explainer(
    head: HeadLike,
    *,
    method: str = GRADCAM,
    layer: str | None = None,
    baseline: str | None = None,
    score: str | None = None,
    patch_px: int | None = None,
    stride_px: int | None = None,
    most_steps: int = MOST_STEPS,
    sanity: bool = True,
    random_state: int = 0,
    engine: str = AUTO,
    max_pixels: int = MAX_PIXELS,
    progress: bool | None = None,
    **loading: Any,
) -> Explainer:
    """What `saliency` opens, to explain several images with one head.

    Parameters are those of `saliency`; so are the errors.
    """
    require_one_of("method", method, METHODS)
    for name, value, methods in (
        ("layer", layer, (GRADCAM,)),
        ("baseline", baseline, (INTEGRATED, OCCLUSION)),
        ("score", score, (OCCLUSION,)),
        ("patch_px", patch_px, (OCCLUSION,)),
        ("stride_px", stride_px, (OCCLUSION,)),
    ):
        if value is not None and method not in methods:
            theirs = " and ".join(methods)
            raise ParameterError(name, f"changes nothing of {method}: it is for {theirs}")
    require_image_itself(loading)
    if method != OCCLUSION and loading.pop("precision", AUTO) != AUTO:
        raise ParameterError("precision", f"changes nothing of {method}, which is in float32")
    filled = GREY if baseline is None else require_one_of("baseline", baseline, BASELINES)
    its_score = LOG_ODDS if score is None else require_one_of("score", score, SCORES)
    most_steps = require_whole("most_steps", most_steps, 2)
    seed = require_seed("random_state", random_state)
    patch_px, stride_px = (
        None if value is None else require_whole(name, value, 1)
        for name, value in (("patch_px", patch_px), ("stride_px", stride_px))
    )
    settings = {"max_pixels": require_max_pixels(max_pixels), "progress": progress}
    if method == OCCLUSION:
        from ...prediction import load_predictor

        with Progress("Opening the network", show=progress):
            predictor = load_predictor(
                head, many=True, engine=engine, max_pixels=max_pixels, **loading
            )
        random, note = None, _NOT_WANTED
        if sanity:
            note = _NO_GRADIENTS.format(predictor.engine)
            if predictor.engine == REFERENCE:
                random = _odds_of_random(predictor, seed, loading, progress)
        return _Occlusion(
            predictor, filled, its_score, patch_px, stride_px, random, note, **settings
        )

    loading.pop("parity", None)  # the network is compared with its engines when it is opened
    network = open_for_head(head, engine=engine, progress=progress, **loading)
    its_seed = seed if sanity else None
    if method == GRADCAM:
        return _GradCam(network, its_seed, layer, **settings)
    return _Integrated(network, its_seed, filled, most_steps, **settings)


def _odds_of_random(
    predictor: Predictor, seed: int, loading: dict[str, Any], progress: bool | None
) -> Score:
    """From logits: with random weights they are large, and probabilities all 0 or 1."""

    loading = {
        name: value for name, value in loading.items() if name not in ("parity", "precision")
    }
    network = open_for_head(predictor.head, progress=progress, **loading)
    random = network.with_permuted_kernels(seed)

    def odds(images: np.ndarray, index: int) -> np.ndarray:
        return log_odds.of_logits(random.logits(images.astype(np.float32)), index).numpy()

    return odds
