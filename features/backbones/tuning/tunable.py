"""A network whose last blocks can be trained: what fine-tuning is given of it."""

from __future__ import annotations

import math
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import UsageError
from ..layer_pooling import FLATTENED
from .blocks import blocks_of, trained_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..registry import Backbone
    from ..weights import Weights
    from .blocks import Block


class Tunable:
    """A network of the registry in Keras, cut into blocks.

    Parameters
    ----------
    backbone
        The network.
    model
        A functional model of Keras in float32, from scaled pixels to features. Its layers have the
        names by which `Backbone.layers` chooses them.
    write
        Writes all weights of the network to a path, as `find_weights` takes them.
    suffix
        With which the name of such a file ends.
    """

    def __init__(
        self,
        backbone: Backbone,
        model: Any,
        write: Callable[[Path], None],
        suffix: str,
    ) -> None:
        self.backbone, self.model, self.suffix = backbone, model, suffix
        self._write = write

    @cached_property
    def blocks(self) -> list[Block]:
        """From input to output; the layers before the first always stay frozen."""
        return blocks_of(self.model)

    def last(self, n_blocks: int) -> Sequence[Block]:
        """The last blocks.

        Raises
        ------
        UsageError
            When there are fewer, or none.
        """
        name, n_known = self.backbone.name, len(self.blocks)
        if not n_known:
            raise UsageError(
                f"{name} cannot be fine-tuned: none of its blocks has a single input; take another "
                f"extractor, such as mobilenet_v2"
            )
        if not 1 <= n_blocks <= n_known:
            raise UsageError(
                f"cannot unfreeze {n_blocks} blocks of {name}: expected 1 to {n_known}, counted "
                f"from the last; they are {', '.join(block.name for block in self.blocks)}"
            )
        return self.blocks[-n_blocks:]

    def frozen_part(self, n_blocks: int) -> Backbone:
        """The network up to its last blocks; its features are the map that they begin with."""
        shape = self._cut(n_blocks).shape[1:]
        return self.backbone._replace(
            layers=(self.last(n_blocks)[0].begins,),
            width=math.prod(shape),
            pooling=FLATTENED,
        )

    def upper_part(self, n_blocks: int) -> UpperPart:
        """The last blocks; training them changes the weights that `weights_file` gives."""
        import keras

        model = keras.Model(self._cut(n_blocks), self.model.output)
        return UpperPart(model)

    def weights_file(self) -> bytes:
        """All weights as they are now, as a file that `--weights` takes."""
        with tempfile.TemporaryDirectory(prefix="bottlebank-") as folder:
            path = Path(folder) / f"weights{self.suffix}"
            with warnings.catch_warnings():
                # Keras 3.15 with NumPy 2: of variables that it makes arrays of.
                warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
                self._write(path)
            return path.read_bytes()

    def _cut(self, n_blocks: int) -> Any:
        return self.model.get_layer(self.last(n_blocks)[0].begins).input


class UpperPart:
    """The last blocks of a network; batch normalisation is as in prediction, and stays so."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.shape: tuple[int, ...] = tuple(model.input.shape[1:])
        """Of the map that it takes: (height, width, channels)."""
        self.weights = trained_weights(model.layers)
        """Variables of Keras, to be trained."""

    def __call__(self, maps: Any) -> Any:
        """Features, a tensor (n, width), of maps (n, *shape)."""
        return self._model(maps, training=False)


def open_tunable(backbone: Backbone, weights: Weights) -> Tunable:
    """Build a network whose last blocks can be trained; TensorFlow is imported.

    Raises
    ------
    SettingError
        When it is none that can be fine-tuned.
    """
    require_tunable(backbone)
    return backbone.imported().tunable(backbone, weights)


def require_tunable(backbone: Backbone) -> None:
    """Raise UsageError where a network cannot be fine-tuned; TensorFlow is not imported."""
    if not hasattr(backbone.imported(), "tunable"):
        raise UsageError(
            f"{backbone.name} cannot be fine-tuned: expected a network of keras.applications, such "
            f"as mobilenet_v2, or an EfficientNet-Lite"
        )
