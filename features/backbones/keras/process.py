"""Reading what a file of Keras holds, in a process of its own: see `isolation.isolated_reader`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .container import opened
from .features_of import scales_pixels, taken, values_of
from .graph import Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....untrusted.isolation import Send
    from ..described import Value
    from .container import Container
    from .structure import Model

_DESCRIBED_WITHIN_S = 1.5
_ANY_SIZE_PX = 224


class Picture(NamedTuple):
    """The input that takes pictures."""

    is_channels_first: bool
    size_px: tuple[int, int] | None
    """(height, width), where the file fixes them."""

    def shape(self, size_px: int) -> tuple[int, int, int]:
        """Of pictures of a size, without the axis of images."""
        return (3, size_px, size_px) if self.is_channels_first else (size_px, size_px, 3)


def describe(send: Send, path: str, size_px: int) -> None:
    """Send what a file holds.

    Parameters
    ----------
    send
        Is given ``fixed`` (height and width, or None), ``size_px``, ``dtype`` of the input,
        ``values`` (each a `described.Value`), ``taken`` (which of them, if none is chosen) and
        ``scales_pixels`` (whether it scales them itself).
    path
        The file.
    size_px
        Height and width of pictures; 0: as the file has it, or 224 where it takes any.
    """
    send({}, next_s=_DESCRIBED_WITHIN_S)
    with opened(Path(path)) as container:
        picture = picture_of(container.model)
        fixed = picture.size_px
        size_px = size_px or (fixed or (_ANY_SIZE_PX,))[0]
        if fixed is not None and fixed != (size_px, size_px):  # which the caller refuses
            send(_sent(fixed, size_px, container.model, [], "", False))
            return
        shapes = sound_shapes(container, picture, size_px)
        send(
            _sent(
                fixed,
                size_px,
                container.model,
                values_of(shapes, picture.is_channels_first),
                taken(shapes, size_px),
                scales_pixels(shapes),
            )
        )


def _sent(
    fixed: tuple[int, int] | None,
    size_px: int,
    model: Model,
    values: Sequence[Value],
    name: str,
    is_scaling: bool,
) -> dict[str, object]:
    return {
        "fixed": fixed,
        "size_px": size_px,
        "dtype": model.dtype,
        "values": values,
        "taken": name,
        "scales_pixels": is_scaling,
    }


def sound_shapes(container: Container, picture: Picture, size_px: int) -> Shapes:
    """What the layers make of a picture of this size.

    Raises
    ------
    ValueError
        When a layer cannot be called as it is, or is larger than the file can fill.
    """
    shapes = Shapes(container.model, picture.shape(size_px))
    n_held = sum(math.prod(array.shape) for array in container.weights.arrays)
    if shapes.n_numbers > n_held:
        raise ValueError(
            f"its layers take {shapes.n_numbers:,} numbers, and the file has {n_held:,}"
        )
    return shapes


def picture_of(model: Model) -> Picture:
    """The input that takes pictures.

    Raises
    ------
    ValueError
        When there is none, or several.
    """
    shape = model.shape
    if len(model.inputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs, not one that takes pictures")
    if shape is None:
        raise ValueError("it does not say what its input is: build the model before it is saved")
    is_channels_first = shape[:1] == (3,) and shape[-1] != 3
    if len(shape) != 3 or not (is_channels_first or shape[2] in (3, None)):
        shown = ", ".join("?" if n is None else str(n) for n in shape)
        raise ValueError(f"its input is ({shown}) for one image, not (height, width, 3)")
    height, width = shape[1:] if is_channels_first else shape[:2]
    fixed = None if height is None or width is None else (height, width)
    return Picture(is_channels_first, fixed)
