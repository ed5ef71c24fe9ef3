"""Principal components of transfer values: what every map method starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .neighbourhoods.placement import Projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_EXACT = 1_500
"""Images or features, whichever are fewer, up to which an exact decomposition takes at most as long
as it takes to import scikit-learn, whose approximate one is quicker from there on."""
_ROWS_AT_ONCE = 4_096


class Components(NamedTuple):
    """Images in the directions in which they vary most."""

    values: NDArray[np.float32]
    """float32, (n, k); the first column varies most, and is not constant."""
    shares: list[float]
    """Of the variance, one per component."""
    scale: float
    """What the values were divided by, so that the features lie in [-1, 1]."""
    axes: NDArray[np.float32]
    """float32, (k, d): their directions, of length 1."""
    middle: NDArray[np.float64]
    """float64, (d,): the features, before they were divided, of an image at the origin."""

    def projection(self, n: int) -> Projection:
        """What makes the first components of features, in their unit; 0 where there are fewer."""
        missing = max(0, n - len(self.axes))
        axes = np.pad(self.axes[:n].astype(np.float64), ((0, missing), (0, 0)))
        return Projection(self.middle, axes)

    @property
    def unit_values(self) -> NDArray[np.float32]:
        """float32, (n, k): the values with a standard deviation of 1 in the first column."""
        return self.values / self.values[:, 0].std()

    def first(self, n: int) -> NDArray[np.float32]:
        """float32, (n_images, n): the first components; zeros where there are fewer."""
        missing = max(0, n - self.values.shape[1])
        return np.pad(self.values[:, :n], ((0, 0), (0, missing)))

    def start(self, dimensions: int, seed: int) -> NDArray[np.float32]:
        """float32, (n, dimensions): the first components, with noise that parts equal images."""
        start = self.first(dimensions)
        noise = np.random.default_rng(seed).normal(size=start.shape)
        return (start + noise * 1e-4 * start[:, 0].std()).astype(np.float32)

    def in_words(self) -> str:
        """How many they are, and what they hold."""
        n_components = len(self.shares)
        noun = "component" if n_components == 1 else "components"
        share = _percent(sum(self.shares))
        return f"{n_components} principal {noun} ({share} of the variance)"

    def shares_of_axes(self, n: int) -> tuple[float, ...]:
        """Of the variance, what the first ones hold; 0 where there are fewer."""
        return (*self.shares[:n], *[0.0] * (n - len(self.shares)))

    def axes_in_words(self, n: int) -> str:
        """The same for a caption."""
        first, *others = self.shares_of_axes(n)
        axes = (f"axis {axis} holds {_percent(share)}" for axis, share in enumerate(others, 2))
        return ", ".join([f"axis 1 holds {_percent(first)} of the variance", *axes])


def principal_components(
    centred: NDArray[np.float32],
    mean: NDArray[np.float32],
    scale: float,
    n_components: int,
    seed: int,
) -> Components:
    """Decompose features (n, d) whose mean is 0, and which are not all 0.

    `mean`, float32 (d,), and then `scale` are what was taken out of them before.

    The signs are fixed: the largest loading of each component is positive.
    """
    n_images, n_features = centred.shape
    # Centred rows sum to zero, so there is one direction less than images.
    n_components = min(n_images - 1, n_features, n_components)
    if min(n_images, n_features) <= _MOST_EXACT:
        values, shares, axes, off = _exact(centred, n_components)
    else:
        from sklearn.decomposition import PCA  # takes two seconds, which other maps need not wait

        pca: Any = PCA(n_components, svd_solver="randomized", random_state=seed)
        values = pca.fit_transform(centred)
        shares, axes, off = pca.explained_variance_ratio_, pca.components_, pca.mean_
    middle = mean.astype(np.float64) + off.astype(np.float64) * scale
    return Components(values, [float(share) for share in shares], scale, axes, middle)


class _Decomposed(NamedTuple):
    values: NDArray[np.float32]
    """float32, (n, k)."""
    shares: NDArray[np.float64]
    """float64, (k,)."""
    axes: NDArray[np.float32]
    """float32, (k, d)."""
    off: NDArray[np.float64]
    """float64, (d,): what is left of the mean by rounding."""


def _exact(centred: NDArray[np.float32], n_components: int) -> _Decomposed:
    """By the eigenvectors of the products of features with one another, or of images.

    The eigenvectors v of X'X are the axes. Those u of XX' have the same eigenvalues s, and the axes
    are X'u / sqrt(s). Sums are in float64.
    """
    n_images, n_features = centred.shape
    off = centred.mean(axis=0, dtype=np.float64)
    if n_features <= n_images:
        products = np.zeros((n_features, n_features))
        for start in range(0, n_images, _ROWS_AT_ONCE):
            block = centred[start : start + _ROWS_AT_ONCE] - off
            products += block.T @ block
        variances, vectors = np.linalg.eigh(products)
        axes = vectors[:, : -n_components - 1 : -1].T
    else:
        rows = centred - off
        variances, vectors = np.linalg.eigh(rows @ rows.T)
        axes = vectors[:, : -n_components - 1 : -1].T @ rows
        # Of a direction in which nothing varies there is no axis: 0 / 1.
        lengths = np.linalg.norm(axes, axis=1, keepdims=True)
        negligible = lengths <= 1e-7 * lengths.max()
        axes = np.where(negligible, 0, axes) / np.where(negligible, 1, lengths)
    shares = np.maximum(variances[: -n_components - 1 : -1], 0) / np.maximum(variances, 0).sum()
    largest = np.abs(axes).argmax(axis=1)[:, None]
    axes *= np.where(np.take_along_axis(axes, largest, axis=1) < 0, -1, 1)
    axes = axes.astype(np.float32)
    values = (centred - off.astype(np.float32)) @ axes.T
    return _Decomposed(values, shares, axes, off)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
