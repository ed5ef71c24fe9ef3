"""The sanity check: a map that explains a network changes when its weights are random.

J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. Two maps are compared by the
rank correlation of their pixels; one near 1 says that a map shows the image, not the network.
"""

from __future__ import annotations

import numpy as np


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's, -1 to 1, of two arrays of one shape; None where one of them is flat."""
    from scipy.stats import rankdata

    one, other = (rankdata(each.ravel()) for each in (first, second))
    deviations = one.std() * other.std()
    if deviations == 0:
        return None
    return float(np.mean((one - one.mean()) * (other - other.mean())) / deviations)
