"""A map over its photograph, as pixels."""

import numpy as np
import pytest

from bottlebank.viz.looks.overlay import Shades, overlaid, shades_of

RANDOM = np.random.default_rng(0)


def photograph_of(height, width):
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (500, 20), (1, 1), (3, 400)])
def test_without_values_the_photograph_is_seen_in_grey(size):
    photograph = photograph_of(*size)
    values = np.zeros((8, 8), np.float32)
    made = overlaid(photograph, values, (0, 0, *size), shades_of(values), 50)
    assert made.dtype == np.uint8
    assert max(made.shape[:2]) <= 50
    assert np.ptp(made.astype(int), axis=2).max() == 0
    whole = overlaid(photograph, values, (0, 0, *size), shades_of(values), 1000)
    assert whole.shape == photograph.shape
    grey = photograph @ [0.299, 0.587, 0.114]
    assert np.abs(whole[..., 0] - grey).max() <= 0.51


def test_red_speaks_for_blue_against_and_it_lies_where_the_network_looked():
    photograph = np.full((100, 200, 3), 128, np.uint8)
    values = np.array([[1, -1], [0, 0]], np.float32).repeat(8, 0).repeat(8, 1)
    # The middle of a photograph that was cropped to a square.
    made = overlaid(photograph, values, (0, 50, 100, 100), shades_of(values), 200).astype(int)
    assert made[20, 70, 0] - made[20, 70, 2] > 60
    assert made[20, 130, 2] - made[20, 130, 0] > 60
    assert (made[:, :45] == 128).all(), "nothing is known outside of what the network saw"
    assert (made[60:, 60:140] == 128).all()


def test_a_border_around_the_photograph_is_left_out():
    photograph = np.full((40, 80, 3), 128, np.uint8)
    values = np.zeros((16, 16), np.float32)
    values[:4], values[8:] = 1, 0.5  # the first quarter is border, above the photograph
    made = overlaid(photograph, values, (-20, 0, 80, 80), shades_of(values), 80).astype(int)
    assert (made[2:18, 5:75] == 128).all()
    assert made[30, 40, 0] > 140


def test_two_maps_have_one_scale_so_that_a_weak_one_is_faint():
    strong, weak = np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32) / 50
    shades = shades_of(strong, weak)
    assert shades == shades_of(strong)
    photograph = np.full((80, 80, 3), 100, np.uint8)
    bright, faint = (
        overlaid(photograph, values, (0, 0, 80, 80), shades, 80).astype(int)
        for values in (strong, weak)
    )
    assert np.abs(bright - 100).max() > 80
    assert np.abs(faint - 100).max() < 15


def test_colours_are_those_of_the_values_unless_they_are_named():
    assert shades_of(np.ones((2, 2))) == Shades(1.0, signed=False)
    assert shades_of(np.ones((2, 2)), signed=True).least == -1
    assert shades_of(np.array([[1.0, -2.0]])).signed
    assert shades_of(np.zeros((2, 2))).scale == 1, "nothing is divided by it"
    for largest in (1e-30, 5.0):
        mark = np.full((100, 100), largest / 50)
        mark[0, 0] = largest
        assert shades_of(mark).scale == largest, "a small mark is what is looked for"
