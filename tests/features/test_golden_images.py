"""How two computations of the same network are compared."""

import numpy as np
import pytest

from bottlebank.features.golden_images import COSINE_LIMITS, least_cosine

ROWS = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
ZEROS = np.zeros_like(ROWS)
ROUNDED = (1e-8 * ROWS[::-1]).astype(np.float32)


def behind_relu(n_active):
    """Features of which all but a few rows are 0."""
    return np.where(np.arange(len(ROWS))[:, None] < n_active, ROWS, 0)


@pytest.mark.parametrize(
    ("features", "reference"),
    [
        (ROWS, ROWS),
        (2 * ROWS, ROWS),
        (ZEROS, ZEROS),
        (ROUNDED, ZEROS),  # what one engine rounds to 0 and another does not
        (ZEROS, ROUNDED),
        (ROUNDED, -ROUNDED),
        (behind_relu(1), behind_relu(1)),
        (behind_relu(1) + ROUNDED, behind_relu(1)),
        (1e5 * behind_relu(3) + 1e5 * ROUNDED, 1e5 * behind_relu(3)),
        (1e-3 * ROWS, 1e-3 * ROWS),
    ],
)
def test_equal_rows_agree_also_where_they_are_0(features, reference):
    assert least_cosine(features, reference) == pytest.approx(1)


@pytest.mark.parametrize(
    ("features", "reference"),
    [
        (-ROWS, ROWS),
        (ZEROS, ROWS),
        (ZEROS, 1e-3 * ROWS),
        (1e-3 * ROWS[::-1], 1e-3 * ROWS),
        (ROWS, ZEROS),
        (behind_relu(1), behind_relu(2)),
        (np.full_like(ROWS, np.nan), ROWS),
        (ROWS, np.full_like(ROWS, np.nan)),
        (np.full_like(ROWS, np.nan), ZEROS),
        (np.where(np.arange(4)[:, None] == 2, np.inf, ROWS).astype(np.float32), ROWS),
    ],
)
def test_other_rows_do_not(features, reference):
    assert least_cosine(features, reference) < min(COSINE_LIMITS.values())
