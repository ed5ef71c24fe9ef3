"""Opening the network of a head, or of an extractor, so that gradients go through it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import require_timeout
from ..cache import CacheFolder
from ..classifier.given_head import as_head
from ..errors import EngineError, ParameterError, UsageError
from ..features import DEFAULT_EXTRACTOR, ExtractorSpec, recipe_for
from ..features.backbones.opening import KINDS, is_file_name, kind_of, locate, module_of
from ..features.backbones.registry import HUB
from ..features.backbones.spec import extractor_name
from ..features.engines.conversion import import_tensorflow_engine
from ..features.engines.network import Network
from ..features.engines.registry import AUTO, REFERENCE, require_known
from ..fork_safety import claim
from ..native_stderr import silent_stderr
from ..prediction.head_extractor import read_recipe, weights_finder
from ..progress import Progress
from .cloning import clone_with, set_weights
from .network import DifferentiableNetwork, without_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..features import Recipe
    from ..features.backbones.weights import Weights

WITHOUT_GRADIENTS = (
    "occlusion works with every engine: `bottlebank look saliency --method occlusion`, or, where "
    "mistakes are explained, --saliency occlusion"
)


def require_gradients(engine: str) -> None:
    """Refuse an engine that computes no gradients; nothing is imported.

    Raises
    ------
    UsageError
        With what works instead.
    """
    require_known(engine, AUTO)
    if engine not in (AUTO, REFERENCE):
        raise UsageError(
            f"the engine {engine} computes no gradients: leave --engine out, so that TensorFlow "
            f"computes them; {WITHOUT_GRADIENTS}"
        )


def require_gradients_of(extractor: str | os.PathLike[str]) -> None:
    """Refuse a network that computes no gradients, before it is read or downloaded.

    Raises
    ------
    UnknownExtractorError
        When there is no such file or folder.
    EngineError
        With what works instead.
    """
    name = extractor_name(extractor)
    if not is_file_name(name):
        return
    kind = KINDS["hub"] if name.startswith(HUB) else kind_of(locate(name))
    if not hasattr(module_of(kind), "build"):
        raise EngineError(_no_gradients(name))


def require_layers_of(extractor: str | os.PathLike[str]) -> None:
    """As `require_gradients_of`, and refuse a network whose layers cannot be looked at.

    Raises
    ------
    UsageError
        When it is in a file.
    """
    require_gradients_of(extractor)
    name = extractor_name(extractor)
    if is_file_name(name):
        raise UsageError(without_layers(name))


def _no_gradients(name: str) -> str:
    return (
        f"{name} has no gradients: it runs in OpenVINO and ONNX Runtime, not in TensorFlow; "
        f"{WITHOUT_GRADIENTS}"
    )


def require_image_itself(loading: Mapping[str, Any]) -> None:
    """Refuse settings of views: what is looked into is the answer to the image alone.

    Raises
    ------
    ParameterError
        With the setting.
    """
    for name in ("views", "view_rule"):
        if name in loading:
            raise ParameterError(name, "cannot be chosen: the answer to the image itself counts")


def open_for_head(
    head: HeadLike,
    *,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    engine: str = AUTO,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> DifferentiableNetwork:
    """The network of a head, with the head behind it.

    Parameters
    ----------
    head
        A head file; or what `train_head` or `load_head` returns.
    cache, extractor, weights, download_timeout_s
        As in `load_predictor`.
    engine
        ``auto`` or ``tensorflow``: others compute no gradients.
    progress
        As in `extract`.

    Raises
    ------
    UsageError
        When the engine computes no gradients.
    EngineError
        When TensorFlow cannot run the network, with what works instead.
    HeadFileError, HeadMismatchError, WeightsNotFoundError
        As in `load_predictor`.
    """
    require_gradients(engine)
    loaded = as_head(head)
    source = head if isinstance(head, (str, os.PathLike)) else f"the head {loaded.version}"
    recipe = read_recipe(loaded, source)
    timeout_s = require_timeout("download_timeout_s", download_timeout_s)
    with CacheFolder(cache, waits=False) as folder:
        find = weights_finder(recipe, folder, source, extractor, weights, timeout_s)
        return _opened(recipe, find, folder.networks, progress, loaded)


def open_for_extractor(
    extractor: str | os.PathLike[str] = DEFAULT_EXTRACTOR,
    *,
    cache: str | os.PathLike[str] | None = None,
    engine: str = AUTO,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> DifferentiableNetwork:
    """The network of an extractor, without a head.

    Parameters
    ----------
    extractor, cache, download_timeout_s, progress
        As in `extract`.
    engine
        ``auto`` or ``tensorflow``: others compute no gradients.
    settings
        ``weights``, ``fit``, ``grey16``, ``size``, ``layer``, ``scaling`` and ``pooling``, as in
        `extract`.

    Raises
    ------
    UsageError, EngineError, WeightsNotFoundError
        As `open_for_head`; and as `extract`.
    """
    require_gradients(engine)
    require_gradients_of(extractor)
    timeout_s = require_timeout("download_timeout_s", download_timeout_s)
    spec = ExtractorSpec.of(extractor, **settings)
    with CacheFolder(cache, waits=False) as folder:
        recipe, found = recipe_for(
            spec,
            digest=folder.sha256_of_file,
            download_timeout_s=timeout_s,
            progress=progress,
        )
        return _opened(recipe, lambda: found, folder.networks, progress)


def _opened(
    recipe: Recipe,
    find: Callable[[], Weights],
    networks: Path,
    progress: bool | None,
    head: Head | None = None,
) -> DifferentiableNetwork:
    with (
        Progress("Opening the network", show=progress),
        Network(recipe, find, networks) as network,
    ):
        module = network.backbone.imported()
        if not hasattr(module, "build"):
            raise EngineError(_no_gradients(recipe.extractor))
        import_tensorflow_engine()
        claim("TensorFlow")
        if not hasattr(module, "tunable"):
            return _of_graph(recipe, network.graph(), head)
        with silent_stderr():
            model = module.tunable(network.backbone, find()).model
        network.require_same_weights()
    return _of_model(recipe, network.backbone.scaling, model, head)


def _of_model(
    recipe: Recipe,
    scaling: Any,
    model: Any,
    head: Head | None,
    permute_again: Callable[[int], None] | None = None,
) -> DifferentiableNetwork:
    from ..features.engines.tensorflow import scaled

    def pixels_scaled(pixels: Any) -> Any:
        return scaled(pixels, scaling)

    def features(pixels: Any) -> Any:
        return model(pixels_scaled(pixels), training=False)

    def permuted(seed: int) -> DifferentiableNetwork:
        with silent_stderr():
            other = clone_with(model, weights_of(seed))
        return _of_model(
            recipe, scaling, other, head, lambda seed: set_weights(other, weights_of(seed))
        )

    def weights_of(seed: int) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [_permuted(each, random) for each in model.get_weights()]

    return DifferentiableNetwork(
        recipe,
        features,
        permuted=permuted,
        permute_again=permute_again,
        model=model,
        scaled=pixels_scaled,
        head=head,
    )


def _of_graph(recipe: Recipe, graph: bytes, head: Head | None) -> DifferentiableNetwork:
    from ..features.engines.tensorflow import features_of_pixels, with_constants

    def permuted(seed: int) -> DifferentiableNetwork:
        random = np.random.default_rng(seed)
        others = with_constants(graph, lambda values: _permuted(values, random))
        return _of_graph(recipe, others, head)

    return DifferentiableNetwork(recipe, features_of_pixels(graph), permuted=permuted, head=head)


def _permuted(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A kernel's values in another order; biases, and what normalises, as they are."""
    if max(values.shape, default=1) == values.size:  # also one of shape (1, 1, 1, 3)
        return values
    return random.permutation(values.ravel()).reshape(values.shape)
