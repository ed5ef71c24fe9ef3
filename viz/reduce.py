"""From transfer values to two dimensions: PCA, t-SNE or UMAP."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from ..errors import UsageError
from ..progress import Progress
from .steps import tsne_iterations, umap_epochs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["pca", "tsne", "umap"]
METHODS: tuple[Method, ...] = ("pca", "tsne", "umap")

_MAX_COMPONENTS = 50
_PERPLEXITY = 30.0
_TSNE_ITERATIONS = 1000
_N_NEIGHBORS = 15
_MIN_DIST = 0.1
# Up to here (2,000 images of 1,000 features) an exact decomposition takes about a second.
_EXACT_PCA_VALUES = 2_000_000
_EXACT_NEIGHBOURS_IMAGES = 50_000
# With fewer images, threads of OpenMP do little between two barriers, and wait for one another: on
# a busy machine, 60 images took 34 s in two threads and 0.7 s in one.
_THREADS_FROM_IMAGES = 2_000


class Embedding(NamedTuple):
    """Images as points of a plane."""

    points: NDArray[np.float32]
    """float32, (n, 2), finite."""
    method: Method
    """How they were placed."""
    caption: str
    """The method and the parameters that it ran with, in words."""


class _Components(NamedTuple):
    values: NDArray[np.float32]  # (n, k), the first axis varies most
    shares: list[float]  # of the variance, one per component


def reduce(
    features: ArrayLike,
    method: Method | str = "pca",
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
        ``"pca"``, ``"tsne"`` or ``"umap"``.
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
    chosen = _checked_method(method)
    seed = _checked_seed(random_state)
    values = _checked_features(features)
    centred, scale = _centred(values)
    n_images, n_features = centred.shape
    if scale == 0:
        points = np.zeros((n_images, 2), np.float32)
        caption = f"all {n_images:,} images have the same transfer values and share one place"
        return Embedding(points, chosen, caption)
    # Centred rows sum to zero, so there is one direction less than images.
    most = 2 if chosen == "pca" else _MAX_COMPONENTS
    components = _components(centred, min(n_images - 1, n_features, most), seed)
    if chosen == "pca":
        points = _two_columns(components.values) * scale
        caption = f"PCA, {_shares_of_axes(components)}"
    else:
        place, name, n_steps = (
            (_tsne, "t-SNE", _TSNE_ITERATIONS) if chosen == "tsne" else (_umap, "UMAP", None)
        )
        what = f"{name} of {n_images:,} images"
        with Progress(what, n_steps, unit="iterations", show=progress) as bar:
            points, caption = place(components, seed, bar)
    return Embedding(np.ascontiguousarray(points, np.float32), chosen, caption)


def _tsne(components: _Components, seed: int, bar: Progress) -> tuple[NDArray[np.float32], str]:
    from sklearn.manifold import TSNE

    n_images = len(components.values)
    # Van der Maaten's rule: three neighbours for each unit of perplexity; below one is no
    # perplexity at all.
    perplexity = min(_PERPLEXITY, max(1.0, (n_images - 1) / 3))
    start: Any = _start(components, seed)
    tsne: Any = TSNE(
        perplexity=perplexity,
        # t-SNE wants a start that is small against the distances that it will make.
        init=start * np.float32(1e-4 / start[:, 0].std()),
        learning_rate="auto",
        max_iter=_TSNE_ITERATIONS,
        random_state=seed,
    )
    n_threads = 1 if n_images < _THREADS_FROM_IMAGES else None
    with tsne_iterations(bar) as verbose, threadpool_limits(n_threads, "openmp"):
        tsne.set_params(verbose=verbose)
        points = tsne.fit_transform(_unit_scale(components))
    return points, f"t-SNE, perplexity {perplexity:.3g}, {_basis(components)}, seed {seed}"


def _umap(components: _Components, seed: int, bar: Progress) -> tuple[NDArray[np.float32], str]:
    n_images = len(components.values)
    n_neighbors = min(_N_NEIGHBORS, n_images - 1)
    if n_neighbors < 2:
        return (
            _two_columns(components.values),
            f"UMAP needs at least 3 images: {n_images} placed by PCA instead, "
            f"{_shares_of_axes(components)}",
        )
    n_epochs = 500 if n_images <= 10_000 else 200  # UMAP's own choice
    values = _unit_scale(components)
    model: Any = _import_umap().UMAP(
        n_neighbors=n_neighbors,
        min_dist=_MIN_DIST,
        metric="euclidean",
        # UMAP's own start, spectral, fails for few images and for separate groups of them.
        init=_start(components, seed),
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
        f"started from PCA, {_basis(components)}, seed {seed}"
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


def _components(centred: NDArray[np.float32], n_components: int, seed: int) -> _Components:
    exact = centred.size <= _EXACT_PCA_VALUES
    pca = PCA(n_components, svd_solver="full" if exact else "randomized", random_state=seed)
    values = pca.fit_transform(centred)
    return _Components(values, [float(share) for share in pca.explained_variance_ratio_])


def _centred(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32]:
    """Features around their mean, in [-1, 1], and the factor that was taken out.

    Without it the squares of very large or very small features leave float32. The mean is
    rounded to float32 before it is subtracted, so that constant features become exactly zero.
    """
    centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.abs(centred).max()
    if scale > 0:
        centred /= scale
    return centred, scale


def _unit_scale(components: _Components) -> NDArray[np.float32]:
    return components.values / components.values[:, 0].std()


def _start(components: _Components, seed: int) -> NDArray[np.float32]:
    """float32, (n, 2): the first two components, with noise that parts images of one place."""
    start = _two_columns(components.values)
    noise = np.random.default_rng(seed).normal(size=start.shape)
    return (start + noise * 1e-4 * start[:, 0].std()).astype(np.float32)


def _two_columns(values: NDArray[np.float32]) -> NDArray[np.float32]:
    missing = max(0, 2 - values.shape[1])
    return np.pad(values[:, :2], ((0, 0), (0, missing)))


def _basis(components: _Components) -> str:
    n_components = len(components.shares)
    noun = "component" if n_components == 1 else "components"
    share = _percent(sum(components.shares))
    return f"on {n_components} principal {noun} ({share} of the variance)"


def _shares_of_axes(components: _Components) -> str:
    first, second = (*components.shares, 0.0)[:2]
    return f"axis 1 holds {_percent(first)} of the variance, axis 2 holds {_percent(second)}"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _checked_method(method: str) -> Method:
    for known in METHODS:
        if method == known:
            return known
    raise UsageError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")


def _checked_seed(random_state: int) -> int:
    if isinstance(random_state, (int, np.integer)) and 0 <= random_state < 2**32:
        return int(random_state)
    raise UsageError(f"random_state must be an integer from 0 to 2**32 - 1, not {random_state!r}")


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
