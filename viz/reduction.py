"""From transfer values to two or three dimensions, by one of the map methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import UsageError
from .components import principal_components
from .map_methods import require_method
from .map_settings import require_fit, require_layout
from .neighbourhoods.trust import Trust, trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .map_methods import Settings
    from .neighbourhoods.placement import Projection


class Embedding(NamedTuple):
    """Images as points of a plane or of space."""

    points: NDArray[np.float32]
    """float32, (n, 2) or (n, 3), finite."""
    method: str
    """How they were placed."""
    caption: str
    """The method, the parameters that it ran with and how far the map can be trusted, in words."""
    trust: Trust | None = None
    """How far the map can be trusted; None for fewer than three images, and where all of them
    share one place."""
    shares: tuple[float, ...] = ()
    """Of the variance, what each axis holds; empty where axes mean nothing."""
    projection: Projection | None = None
    """What makes coordinates of transfer values, on a map of principal components."""
    n_placed: int = 0
    """How many of the images were placed on a map that was there."""

    def trust_as_json(self) -> dict[str, float | None]:
        """`trustworthiness` and `neighbourhood_hit`, null where they are not known."""
        if self.trust is None:
            return {"trustworthiness": None, "neighbourhood_hit": None}
        return {
            "trustworthiness": self.trust.trustworthiness,
            "neighbourhood_hit": self.trust.neighbourhood_hit,
        }


def reduce(
    features: ArrayLike,
    method: str = "pca",
    random_state: int = 0,
    *,
    dimensions: int = 2,
    perplexity: float | None = None,
    neighbors: int | None = None,
    labels: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Embedding:
    """Place images in the plane, or in space, so that similar ones lie close together.

    t-SNE and UMAP see at most 50 principal components and start from the first ones, which keeps
    the large-scale arrangement (Kobak & Linderman 2021, doi:10.1038/s41587-020-00809-z). With
    few images their parameters shrink; the caption gives those that were used.

    Parameters
    ----------
    features
        Transfer values: floats, (n, d), n ≥ 2, finite.
    method
        A name in the registry of map methods: ``"pca"``, ``"tsne"`` or ``"umap"``.
    random_state
        0 to 2**32 - 1. The same features and seed give the same points on the same machine.
    dimensions
        2 or 3.
    perplexity
        Of t-SNE: about how many neighbours each image has, at least 1 and at most a third of the
        other images. None: 30, or less where that is too many.
    neighbors
        Of UMAP: how many neighbours each image has, itself among them; at least 2 and fewer than
        there are images. None: 15, or less where that is too many.
    labels
        The class of each image, (n,), for the neighbourhood hit rate in `Embedding.trust`; empty
        where an image has none. They move no point.
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
        For an unknown method, fewer than two images, values that are not finite numbers, another
        number of labels, or a parameter out of range or of another method.

    Examples
    --------
    >>> embedding = reduce([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> embedding.caption
    'PCA, axis 1 holds 100 % of the variance, axis 2 holds 0 %; trustworthiness 1.00'
    >>> embedding.points[:, 0].round(3).tolist()
    [-5.0, 0.0, 5.0]
    """
    settings = require_layout(
        method,
        random_state=random_state,
        dimensions=dimensions,
        perplexity=perplexity,
        neighbors=neighbors,
    )
    values = require_features(features)
    if labels is not None and len(labels) != len(values):
        raise UsageError(f"labels must be one for each of the {len(values):,} images")
    return with_trust(laid_out(values, method, settings, progress), values, labels, settings.seed)


def laid_out(
    features: NDArray[np.float32], method: str, settings: Settings, progress: bool | None = None
) -> Embedding:
    """As `reduce`, of what has been checked, and without saying how far it can be trusted."""
    require_fit(settings, len(features))
    chosen = require_method(method)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred, scale = _centred(features, mean)
    if scale == 0:
        points = np.zeros((len(centred), settings.dimensions), np.float32)
        caption = "One place for all images, which have the same transfer values"
        return Embedding(points, method, caption)
    n_components = max(chosen.n_components, settings.dimensions)
    components = principal_components(centred, mean, scale, n_components, settings.seed)
    points, caption = chosen.imported()(components, settings, progress)
    points = np.ascontiguousarray(points, np.float32)
    if not chosen.axis:
        return Embedding(points, method, caption)
    shares = components.shares_of_axes(settings.dimensions)
    projection = components.projection(settings.dimensions)
    return Embedding(points, method, caption, shares=shares, projection=projection)


def with_trust(
    embedding: Embedding,
    features: NDArray[np.float32],
    labels: Sequence[str] | None = None,
    random_state: int = 0,
) -> Embedding:
    """An embedding of features, (n, d), that says in its caption how far it can be trusted."""
    scale = np.float32(np.abs(features).max() or 1)  # squares of very large features leave float32
    measured = trust(features / scale, embedding.points, labels, random_state)
    if measured is None:
        return embedding
    caption = f"{embedding.caption}; {measured.in_words()}"
    return embedding._replace(caption=caption, trust=measured)


def _centred(
    features: NDArray[np.float32], mean: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """Features around their mean, in [-1, 1], and the factor that was taken out.

    Without it the squares of very large or very small features leave float32. The mean is
    rounded to float32 before it is subtracted, so that constant features become exactly zero.
    """
    centred = features - mean
    scale = float(np.abs(centred).max())
    if scale > 0:
        centred /= scale
    return centred, scale


def require_features(features: ArrayLike) -> NDArray[np.float32]:
    """Transfer values of at least two images, float32 (n, d), all finite.

    Raises
    ------
    UsageError
        For anything else.
    """
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
