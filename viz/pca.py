"""The map of the first principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .components import Components
    from .map_methods import Settings


def place(
    components: Components, settings: Settings, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    points = components.first(settings.dimensions) * components.scale
    return points, f"PCA, {components.axes_in_words(settings.dimensions)}"
