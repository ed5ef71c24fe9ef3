"""What an exporter is given: a network, the layers of a head, and what the answers are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..classifier.layers import Layers
from ..features.backbones.weights import Weights
from ..features.recipe import Recipe, backbone_of
from .registry import GRAPH, LAYERS, ONNX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..features.backbones.registry import Backbone
    from ..features.engines.network import Network
    from ..features.images.fit import Preprocessing

_ABOUT, _ARRAYS, _PIXELS = "job.json", "head.npz", "calibration.npy"
GRAPH_FILE = "network.pb"
PIXELS, PROBABILITIES = "pixels", "probabilities"
"""The names of the input and the output of what is exported."""


class Job(NamedTuple):
    """One export, in a folder that the process that writes it reads."""

    folder: Path
    """Also of the network in the form that the exporter starts from."""
    recipe: Recipe
    weights: Weights | None
    """None where the network is in the folder."""
    layers: Layers
    """Of the head; what its softmax is taken of is calibrated."""
    labels: tuple[str, ...]
    """Of the probabilities, in their order."""
    about: dict[str, str]
    """What is written into the file where its format has a place for it."""

    @property
    def backbone(self) -> Backbone:
        """The network."""
        return backbone_of(self.recipe)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures of other sizes become its input."""
        return self.recipe.preprocessing

    def with_network(self, form: str, network: Network) -> Job:
        """The same with the network in a form of `registry`: in the folder, or as its weights.

        What is in the folder lasts as long as the network's ``with`` block.
        """
        is_apart = getattr(network.backbone.imported(), "BUILDS_APART", False)
        if form == GRAPH and is_apart:
            (self.folder / GRAPH_FILE).write_bytes(network.graph())
        elif form in (GRAPH, LAYERS):
            return self._replace(weights=network.weights())
        else:
            source = network.onnx() if form == ONNX else network.converted()
            for file in source.iterdir():
                (self.folder / file.name).symlink_to(file.absolute())
        return self

    def save(self) -> None:
        """Write all but the network into the folder."""
        files = None
        if (weights := self.weights) is not None:
            files = [weights.name, *(str(path) for path in (weights.path, *weights.more) if path)]
        about = {
            "recipe": self.recipe.as_dict(),
            "weights": files,
            "labels": self.labels,
            "about": self.about,
        }
        (self.folder / _ABOUT).write_text(json.dumps(about))
        layers = self.layers
        arrays: dict[str, np.ndarray] = {"mean": layers.mean, "scale": layers.scale}
        for number, (kernel, bias) in enumerate(zip(layers.kernels, layers.biases, strict=True)):
            arrays |= {f"kernel_{number}": kernel, f"bias_{number}": bias}
        np.savez(self.folder / _ARRAYS, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Read what `save` wrote."""
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text())
        weights = None
        if about["weights"] is not None:
            name, *paths = about["weights"]
            path, *more = map(Path, paths) if paths else (None,)
            weights = Weights(name, path, more=tuple(filter(None, more)))
        with np.load(folder / _ARRAYS) as arrays:
            n_layers = (len(arrays.files) - 2) // 2
            layers = Layers(
                arrays["mean"],
                arrays["scale"],
                [arrays[f"kernel_{number}"] for number in range(n_layers)],
                [arrays[f"bias_{number}"] for number in range(n_layers)],
            )
        recipe = Recipe.from_dict(about["recipe"])
        return cls(folder, recipe, weights, layers, tuple(about["labels"]), about["about"])

    def keep_calibration(self, images: Sequence[np.ndarray]) -> None:
        """Add images, uint8 (height, width, 3) each, to quantize with."""
        np.save(self.folder / _PIXELS, np.stack(images))

    def calibration(self) -> np.ndarray | None:
        """The images to quantize with; None: the export is in float32."""
        file = self.folder / _PIXELS
        return np.load(file, mmap_mode="r") if file.exists() else None
