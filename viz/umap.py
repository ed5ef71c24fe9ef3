"""The map of UMAP."""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import Progress
from .map_settings import LEAST_NEIGHBORS
from .neighbourhoods.gaps import narrow_gaps
from .neighbourhoods.nearest import EXACT_IMAGES, nearest_rows
from .steps import umap_epochs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .components import Components
    from .map_methods import Settings

_N_NEIGHBORS = 15
_MIN_DIST = 0.1
_SPREAD = 1.0
"""Where UMAP's similarity of two points on the map has fallen to about 1/e."""


def place(
    components: Components, settings: Settings, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    n_images = len(components.values)
    with Progress(f"UMAP of {n_images:,} images", unit="iterations", show=progress) as bar:
        return _place(components, settings, bar)


def _place(
    components: Components, settings: Settings, bar: Progress
) -> tuple[NDArray[np.float32], str]:
    n_images, dimensions, seed = len(components.values), settings.dimensions, settings.seed
    n_neighbors = settings.neighbors or min(_N_NEIGHBORS, n_images - 1)
    if n_neighbors < LEAST_NEIGHBORS:
        return (
            components.first(dimensions),
            f"UMAP needs at least 3 images: {n_images} placed by PCA instead, "
            f"{components.axes_in_words(dimensions)}",
        )
    n_epochs = 500 if n_images <= 10_000 else 200  # UMAP's own choice
    values = components.unit_values
    model: Any = _import_umap().UMAP(
        n_neighbors=n_neighbors,
        n_components=dimensions,
        min_dist=_MIN_DIST,
        spread=_SPREAD,
        metric="euclidean",
        # UMAP's own start, spectral, fails for few images and for separate groups of them.
        init=components.start(dimensions, seed),
        random_state=seed,
        n_jobs=1,  # UMAP warns of more with a seed
        precomputed_knn=_neighbours(values, n_neighbors),
        n_epochs=n_epochs,
        tqdm_kwds=umap_epochs(bar, n_epochs) if bar.shows else None,
    )
    with warnings.catch_warnings():
        # Without an index of UMAP's own no images can be added later, and none are.
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        points = model.fit_transform(values)
    closer = narrow_gaps(points, _SPREAD)
    narrowed = "" if np.array_equal(closer, points) else ", gaps between groups narrowed"
    return closer, (
        f"UMAP, {n_neighbors} neighbours, min_dist {_MIN_DIST}, Euclidean metric, "
        f"started from PCA, on {components.in_words()}{narrowed}, seed {seed}"
    )


def _neighbours(
    values: NDArray[np.float32], n_neighbors: int
) -> tuple[NDArray[np.int64] | None, NDArray[np.float32] | None, None]:
    """(indices, distances, None), (n, n_neighbors) each; None where UMAP shall search itself.

    UMAP's own search is compiled anew in every process, which takes longer than all distances
    between 50,000 images.
    """
    if len(values) > EXACT_IMAGES:
        return None, None, None
    # UMAP counts an image as the first of its own neighbours.
    indices, distances = nearest_rows(values, n_neighbors - 1)
    itself = np.arange(len(values))[:, None]
    zeros = np.zeros((len(values), 1), np.float32)
    return np.hstack([itself, indices]), np.hstack([zeros, distances]), None


def _import_umap() -> Any:
    """Import umap without the TensorFlow that it loads, when it can, for a class not used here."""
    optional = "umap.parametric_umap"
    blocked = "umap" not in sys.modules and "tensorflow" not in sys.modules
    if blocked:
        sys.modules[optional] = None  # type: ignore[assignment]  # the import system's "absent"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            import umap
    finally:
        if blocked:
            sys.modules.pop(optional, None)
    _keep_compiled()
    return umap


def _keep_compiled() -> None:
    """Have numba keep the machine code of UMAP's functions, as it does of those with `cache=True`.

    UMAP asks for that in few of them, and compiles the others anew in every process, for more than
    half of the time that a map of some thousand images takes. Numba keeps it beside UMAP, or in
    the user's cache folder, or where NUMBA_CACHE_DIR says.
    """
    from umap import layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        # Names of UMAP's own, which a release may change.
        function: Any = getattr(module, name, None)
        if hasattr(function, "enable_caching"):
            with contextlib.suppress(RuntimeError):  # none of those folders can be written
                function.enable_caching()
