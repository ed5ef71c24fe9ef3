"""The interface of an engine: a compiled network that turns pixels into transfer values.

How one is registered, `registry` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..backbones.registry import Backbone
    from ..backbones.weights import Weights


class Reference(NamedTuple):
    """What an engine's transfer values of the golden images are compared with."""

    features: np.ndarray
    """float32, (n, width)."""
    by: str
    """What computed them, in float32."""


class Source(Protocol):
    """A backbone with its weights, in the forms from which engines start."""

    backbone: Backbone
    weights: Callable[[], Weights]

    def converted(self) -> Path:
        """A folder with ``network.xml`` and ``network.bin``, as OpenVINO reads them."""
        ...

    def onnx(self, precision: str = "float32") -> Path:
        """A folder with ``network.onnx``: 8-bit pixels to transfer values, in a precision."""
        ...

    def graph(self) -> bytes:
        """The frozen graph of TensorFlow, a serialised GraphDef; its input is 8-bit pixels."""
        ...

    def reference(self) -> Reference:
        """What an engine's transfer values of the golden images are compared with."""
        ...


class Engine(Protocol):
    """A compiled network. Calls may come from several threads at once."""

    name: str
    """As in the registry."""
    precision: str
    """What the network effectively computes in: one of `precisions.PRECISIONS`."""

    batch_size: int
    """Images in a call that keep it busy."""
    n_calls: int
    """Calls at once that keep it busy."""

    @property
    def batch_sizes(self) -> Sequence[int]:
        """Numbers of images that are one pass; another number is several passes."""
        ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Transfer values of a batch.

        Parameters
        ----------
        images
            uint8, (n, height, width, 3), RGB, 0 to 255.

        Returns
        -------
        ndarray
            float32, (n, width).
        """
        ...
