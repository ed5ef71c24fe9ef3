import dataclasses
import json

import numpy as np
import pytest

from bottlebank.classifier import LogisticHead
from bottlebank.classifier.unknown import MOST_PROTOTYPES, UnknownRule, fit_unknown


def activations(n_each, n_classes=4, width=48, seed=0, first=0):
    """Rows like averaged activations: each class has its own few large columns."""
    random = np.random.default_rng(seed)
    shapes = np.random.default_rng(99).gamma(0.3, 2.0, size=(12, width))[first : first + n_classes]
    codes = np.repeat(np.arange(n_classes), n_each)
    rows = random.gamma(4.0 * shapes[codes] + 0.2) / 4
    order = random.permutation(len(codes))
    return rows[order].astype(np.float32), codes[order]
