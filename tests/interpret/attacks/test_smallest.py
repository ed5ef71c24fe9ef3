"""The search for the smallest budget."""

import numpy as np
import pytest

from bottlebank.interpret.attacks.attack import FGSM, PGD, Goal
from bottlebank.interpret.attacks.smallest import find_smallest

PIXELS = np.full((1, 2, 2, 3), 100, np.uint8)


def search(suffices, most, method):
    """What is found where some budgets suffice, and which were tried."""
    tried = []

    def attack(pixels, goal, levels, seeds):
        assert list(seeds) == [3]
        return pixels + np.uint8(levels), np.array([suffices(levels)])

    found, changed = find_smallest(
        *(attack, PIXELS, Goal(np.array([0])), most), method=method, seed=3, report=tried.append
    )
    return found, changed, tried


@pytest.mark.parametrize("method", [PGD, FGSM])
def test_the_smallest_is_found_wherever_it_is(method):
    for most in (1, 2, 3, 5, 16, 100):
        for least in range(1, most + 1):
            found, changed, tried = search(
                lambda levels, least=least: levels >= least, most, method
            )
            assert found == least
            assert (changed == 100 + least).all()
            assert len(tried) == len(set(tried))
            assert max(tried) <= most


@pytest.mark.parametrize("method", [PGD, FGSM])
def test_without_success_the_attempt_of_the_largest_remains(method):
    found, changed, tried = search(lambda levels: False, 11, method)
    assert found is None
    assert (changed == 111).all()
    assert tried[-1] == 11


def test_one_step_that_can_be_too_long_is_tried_at_every_length():
    assert search(lambda levels: levels == 3, 16, FGSM)[0] == 3
    assert len(search(lambda levels: levels >= 60, 200, PGD)[2]) < 15
