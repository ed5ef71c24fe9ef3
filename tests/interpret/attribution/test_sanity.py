"""The comparison of a map with those of networks with random weights."""

import numpy as np
import pytest

from bottlebank.interpret.attribution.sanity import checked, rank_correlation

MAP = np.arange(12, dtype=np.float32).reshape(3, 4)
FLAT = np.zeros_like(MAP)


def noise(seed):
    return np.random.default_rng(seed).normal(size=MAP.shape).astype(np.float32)


def test_the_figure_is_the_mean_over_the_networks_and_the_first_is_drawn():
    others = [noise(seed) for seed in range(5)]
    found = checked("gradcam", MAP, others, "")
    each = [rank_correlation(MAP, other) for other in others]
    assert found.each == pytest.approx(each)
    assert found.correlation == pytest.approx(np.mean(each))
    assert found.drawn is others[0]
    assert found.of_sizes is None


def test_sizes_are_compared_where_signs_are_drawn():
    found = checked("occlusion", MAP - 5.5, [5.5 - MAP], "")
    assert found.correlation == pytest.approx(-1)
    assert found.of_sizes == pytest.approx(1)


def test_flat_maps_of_some_networks_are_passed_over():
    found = checked("gradcam", MAP, [FLAT, -MAP], "")
    assert found.each == pytest.approx([-1])
    assert (found.drawn == -MAP).all()


@pytest.mark.parametrize(
    ("values", "permuted", "said", "note"),
    [
        (MAP, [], "because", "because"),
        (MAP, [FLAT, FLAT], "", "with them, the map has the same value everywhere"),
        (FLAT, [MAP], "", "the map has the same value everywhere"),
        (MAP, [MAP, MAP * np.nan], "", "what the network answers with random weights is not"),
    ],
)
def test_without_a_comparison_it_says_why(values, permuted, said, note):
    found = checked("gradcam", values, permuted, said)
    assert found.note.startswith(note)
    assert found.correlation is found.drawn is found.of_sizes is None
    assert found.each == ()
