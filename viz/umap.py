"""The map of UMAP."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import Progress
from .steps import umap_epochs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .components import Components

_N_NEIGHBORS = 15
_MIN_DIST = 0.1
_EXACT_NEIGHBOURS_IMAGES = 50_000


def place(
    components: Components, seed: int, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    n_images = len(components.values)
    with Progress(f"UMAP of {n_images:,} images", unit="iterations", show=progress) as bar:
        return _place(components, seed, bar)


def _place(components: Components, seed: int, bar: Progress) -> tuple[NDArray[np.float32], str]:
    n_images = len(components.values)
    n_neighbors = min(_N_NEIGHBORS, n_images - 1)
    if n_neighbors < 2:
        return (
            components.plane,
            f"UMAP needs at least 3 images: {n_images} placed by PCA instead, "
            f"{components.axes_in_words()}",
        )
    n_epochs = 500 if n_images <= 10_000 else 200  # UMAP's own choice
    values = components.unit_values
    model: Any = _import_umap().UMAP(
        n_neighbors=n_neighbors,
        min_dist=_MIN_DIST,
        metric="euclidean",
        # UMAP's own start, spectral, fails for few images and for separate groups of them.
        init=components.start(seed),
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
    return points, (
        f"UMAP, {n_neighbors} neighbours, min_dist {_MIN_DIST}, Euclidean metric, "
        f"started from PCA, on {components.in_words()}, seed {seed}"
    )


def _neighbours(
    values: NDArray[np.float32], n_neighbors: int
) -> tuple[NDArray[np.int64] | None, NDArray[np.float32] | None, None]:
    """(indices, distances, None), (n, n_neighbors) each; None where UMAP shall search itself.

    UMAP's own search is compiled anew in every process, which takes longer than all distances
    between 50,000 images.
    """
    if len(values) > _EXACT_NEIGHBOURS_IMAGES:
        return None, None, None
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(values)
    distances, indices = search.kneighbors(values)
    # Rounding gives an image some 1e-7 to itself, which UMAP takes for its nearest neighbour.
    distances[distances < 1e-6] = 0
    return indices, distances.astype(np.float32), None


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
    return umap
