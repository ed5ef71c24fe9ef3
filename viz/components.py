"""Principal components of transfer values: what every map method starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .neighbourhoods.placement import Projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Up to here (2,000 images of 1,000 features) an exact decomposition takes about a second.
_EXACT_PCA_VALUES = 2_000_000


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
    from sklearn.decomposition import PCA  # a map that is kept needs none of it

    n_images, n_features = centred.shape
    # Centred rows sum to zero, so there is one direction less than images.
    n_components = min(n_images - 1, n_features, n_components)
    exact = centred.size <= _EXACT_PCA_VALUES
    pca: Any = PCA(n_components, svd_solver="full" if exact else "randomized", random_state=seed)
    values = pca.fit_transform(centred)
    shares = [float(share) for share in pca.explained_variance_ratio_]
    middle = mean.astype(np.float64) + pca.mean_.astype(np.float64) * scale
    return Components(values, shares, scale, pca.components_, middle)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
