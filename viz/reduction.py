"""From transfer values to two dimensions, by one of the map methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import require_seed
from ..errors import UsageError
from .components import principal_components
from .map_methods import require_method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Embedding(NamedTuple):
    """Images as points of a plane."""

    points: NDArray[np.float32]
    """float32, (n, 2), finite."""
    method: str
    """How they were placed."""
    caption: str
    """The method and the parameters that it ran with, in words."""
    shares: tuple[float, ...] = ()
    """Of the variance, that each axis holds; empty where axes have no meaning."""


def reduce(
    features: ArrayLike,
    method: str = "pca",
    random_state: int = 0,
    *,
    progress: bool | None = None,
) -> Embedding:
    """Place images in the plane so that similar ones lie close together.

    t-SNE and UMAP see at most 50 principal components and start from the first two, which keeps
    the large-scale arrangement (Kobak & Linderman 2021, doi:10.1038/s41587-020-00809-z). With
    few images their parameters shrink; the caption gives those that were used.

    Parameters
    ----------
    features
        Transfer values: floats, (n, d), n ≥ 2, finite.
    method
        A name in the registry of map methods: ``"pca"``, ``"tsne"`` or ``"umap"``.
    random_state
        0 to 2**32 - 1. The same features and seed give the same points on the same machine. One
        exception is scikit-learn's: on three or more cores its t-SNE of 2,000 images or more adds
        partial sums in the order in which threads end, so that last bits, and then places, may
        differ.
    progress
        Show on stderr how long t-SNE or UMAP has run: True always as a bar, False never,
        None as `Progress` has it.

    Returns
    -------
    Embedding
        Rows in the order of `features`. The signs of PCA's axes are fixed: the largest loading
        of each is positive.

    Raises
    ------
    UsageError
        For an unknown method, fewer than two images, values that are not finite numbers, or a
        seed out of range.

    Examples
    --------
    >>> embedding = reduce([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> embedding.caption
    'PCA, axis 1 holds 100 % of the variance, axis 2 holds 0 %'
    >>> embedding.points[:, 0].round(3).tolist()
    [-5.0, 0.0, 5.0]
    """
    chosen = require_method(method)
    seed = require_seed("random_state", random_state)
    values = _checked_features(features)
    centred, scale = _centred(values)
    if scale == 0:
        points = np.zeros((len(centred), 2), np.float32)
        caption = f"all {len(centred):,} images have the same transfer values and share one place"
        return Embedding(points, method, caption)
    components = principal_components(centred, scale, chosen.n_components, seed)
    points, caption = chosen.imported()(components, seed, progress)
    placed = np.ascontiguousarray(points, np.float32)
    shares = (*components.shares, 0.0, 0.0)[: placed.shape[1]] if chosen.axis else ()
    return Embedding(placed, method, caption, shares)


def _centred(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Features around their mean, in [-1, 1], and the factor that was taken out.

    Without it the squares of very large or very small features leave float32. The mean is
    rounded to float32 before it is subtracted, so that constant features become exactly zero.
    """
    centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = float(np.abs(centred).max())
    if scale > 0:
        centred /= scale
    return centred, scale


def _checked_features(features: ArrayLike) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused below
            values = np.asarray(features, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"features must be an array of numbers, (n, d): {error}") from error
    if values.ndim != 2 or values.shape[1] == 0:
        raise UsageError(f"features must be (n, d) with d of at least 1, not {values.shape}")
    if len(values) < 2:
        noun = "image" if len(values) == 1 else "images"
        raise UsageError(f"a map needs at least 2 images and there is {len(values)} {noun}")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise UsageError(
            f"features must be finite: {np.count_nonzero(~finite):,} of {len(values):,} rows "
            f"hold NaN or infinity, the first is row {np.argmin(finite)}; remove or extract "
            f"them again"
        )
    return values
