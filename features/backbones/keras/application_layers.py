"""The layers of the networks of `keras.applications`, without importing Keras.

They are kept in `layers.zip`, from input to output, with the shapes that they have at the usual
size. `tests/features/backbones/keras/write_layers.py` writes them; a test compares them with the
installed Keras.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import UsageError, in_brief
from ..described import hint_at
from ..layer_pooling import AS_IT_IS, MEAN_OVER_PIXELS, joined
from ..opening import Layer
from ..spec import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..registry import Backbone

FILE = "layers.zip"
_MIN_SIZES_PX = {"inception_v3": 75, "inception_resnet_v2": 75, "xception": 71}
_MIN_SIZE_PX = 32


def layers_of(backbone: Backbone) -> list[Layer]:
    """The layers of a network; the last is what is taken if none is chosen.

    At another size than the usual one, height and width of maps are not known.
    """
    with zipfile.ZipFile(Path(__file__).with_name(FILE)) as held:
        rows = json.loads(held.read(backbone.name))
    return [
        Layer(
            name,
            kind,
            tuple(shape),
            MEAN_OVER_PIXELS if len(shape) == 3 else AS_IT_IS,
            name == rows[-1][0],
        )
        for name, kind, shape in rows
    ]


def of_size(backbone: Backbone, size_px: int) -> Backbone:
    """The network for pictures of another size.

    Raises
    ------
    UsageError
        When they are too small for it.
    """
    least_px = _MIN_SIZES_PX.get(backbone.name, _MIN_SIZE_PX)
    if size_px < least_px:
        raise UsageError(
            f"{backbone.name} takes pictures of at least {least_px} px, not of {size_px}: choose "
            f"--size {least_px} or more"
        )
    return backbone._replace(input_size_px=size_px)


def with_layers(backbone: Backbone, names: Sequence[str]) -> Backbone:
    """The network up to the layers of these names, whose outputs are side by side.

    Raises
    ------
    UsageError
        When it has no such layer.
    """
    known = {layer.name: layer for layer in layers_of(backbone)}
    for name in names:
        if name not in known:
            raise SettingError.of(
                "layer",
                f"{backbone.name} has no layer {in_brief(repr(name))}: {hint_at(name, known)}"
                f"`bottlebank extractors {backbone.name}` lists its layers",
            )
    chosen = [known[name] for name in names]
    if all(layer.is_taken for layer in chosen) and len(chosen) == 1:
        return backbone  # with the fingerprint that it has without a choice
    return backbone._replace(
        layers=tuple(names),
        width=sum(layer.shape[-1] or 0 for layer in chosen),
        pooling=joined([layer.pooling for layer in chosen]),
    )
