"""The sanity check: a map that explains a network changes when its weights are random.

J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. Two maps are compared by the
rank correlation of their pixels; one near 1 says that a map shows the image, not the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .found import shown_values
from .methods import GRADCAM

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_WANTED = "it was not requested"
"""Why there is no check, where the caller wants none."""


class Check(NamedTuple):
    """What the comparison with random weights gave."""

    drawn: np.ndarray | None = None
    """A map of random weights, as float32 (height, width); None where there is no check."""
    correlation: float | None = None
    """The mean of `each`."""
    each: tuple[float, ...] = ()
    """Rank correlations with the map of each network with random weights, both signed."""
    of_sizes: float | None = None
    """As `Saliency.sanity_of_sizes`."""
    note: str = ""
    """Why there is no check."""


def checked(method: str, values: np.ndarray, permuted: Sequence[np.ndarray], note: str) -> Check:
    """Compare a map with those of networks with random weights, before anything is cut.

    Parameters
    ----------
    method
        Of both, from `methods.METHODS`.
    values
        float32, (height, width), signed: a map of random weights may be negative everywhere.
    permuted
        As `values`, of each network.
    note
        Why there is none.
    """
    if not permuted:
        return Check(note=note)
    if not np.isfinite(permuted).all():
        return Check(note="what the network answers with random weights is not finite")
    pairs = [(rank_correlation(values, each), each) for each in permuted]
    found = [(correlation, each) for correlation, each in pairs if correlation is not None]
    if not found:
        with_them = "with them, " if np.ptp(permuted[0]) == 0 else ""
        return Check(note=f"{with_them}the map has the same value everywhere")
    correlations = tuple(correlation for correlation, _ in found)
    drawn = found[0][1]
    of_sizes = None
    if method != GRADCAM:
        of_sizes = rank_correlation(
            *(np.abs(shown_values(method, each)) for each in (values, drawn))
        )
    return Check(drawn, float(np.mean(correlations)), correlations, of_sizes)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's, -1 to 1, of two arrays of one shape; None where one of them is flat."""
    from scipy.stats import rankdata

    one, other = (rankdata(each.ravel()) for each in (first, second))
    deviations = one.std() * other.std()
    if deviations == 0:
        return None
    return float(np.mean((one - one.mean()) * (other - other.mean())) / deviations)
