"""The map of the first two principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .components import Components


def place(
    components: Components, seed: int, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    return components.plane * components.scale, f"PCA, {components.axes_in_words()}"
