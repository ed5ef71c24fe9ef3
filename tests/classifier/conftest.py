import numpy as np
import pytest


def blobs(n_classes: int, n_each: int, width: int = 20, seed: int = 0, spread: float = 1.0):
    """Rows around one centre a class, positive like transfer values."""
    random = np.random.default_rng(seed)
    centres = random.normal(scale=2.0, size=(n_classes, width))
    labels = np.repeat([f"class {number}" for number in range(n_classes)], n_each)
    rows = np.repeat(centres, n_each, axis=0) + spread * random.normal(size=(len(labels), width))
    order = random.permutation(len(labels))
    return rows[order].astype(np.float32), labels[order]


def rare_and_common(n_rows: int, width: int = 20):
    """One row in twenty is rare, and its class overlaps the common one."""
    random = np.random.default_rng(0)
    is_rare = random.random(n_rows) < 0.05
    rows = random.normal(size=(n_rows, width)) + np.outer(is_rare, np.full(width, 0.5))
    return rows.astype(np.float32), np.where(is_rare, "rare", "common")


@pytest.fixture(scope="session")
def three_classes():
    return blobs(3, 60)


@pytest.fixture(scope="session")
def two_classes():
    return blobs(2, 50, seed=1)
