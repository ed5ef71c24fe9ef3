"""A network that was read from a SavedModel, as TensorFlow runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from .frozen_graph import FEATURES, PIXELS, frozen_graph
from .process import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Running:
    """From scaled pixels, a tensor (n, height, width, 3), to features (n, width)."""

    def __init__(self, graph: bytes, *, takes_many: bool) -> None:
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(graph)
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(definition, name=""), []
        )
        self._function = wrapped.prune(f"{PIXELS}:0", f"{FEATURES}:0")
        self.n_images = None if takes_many else 1
        """In a call; None for any number."""

    def __call__(self, pixels: Any) -> Any:
        """Compute the features."""
        return self._function(pixels)


def running(folder: Path, size_px: int, layers: Sequence[tuple[str, str]]) -> Running:
    """The network in a folder, with its layers, each with how it becomes one vector."""
    frozen = frozen_graph(read(folder), size_px, layers)
    return Running(frozen.graph, takes_many=frozen.takes_many)
