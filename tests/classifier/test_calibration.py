import numpy as np
import pytest

from bottlebank.classifier.layers import softmax
from bottlebank.classifier.metrics.calibration import calibration_interval, reliability_bins
from bottlebank.classifier.temperature import fit_temperature


def calibration_error(probabilities, codes, n_bins=15):
    right = probabilities.argmax(axis=1) == codes
    return calibration_interval(probabilities.max(axis=1), right, n_bins)[0]


def draw(n, factor=1.0, n_classes=5, seed=0):
    """Logits `factor` times too large, and labels drawn from what they should have been."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.0, size=(n, n_classes))
    uniform = random.random((n, 1))
    codes = (softmax(logits).cumsum(axis=1) < uniform).sum(axis=1)
    return factor * logits, np.minimum(codes, n_classes - 1)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0, 10.0])
def test_the_factor_of_simulated_logits_is_found(factor):
    assert fit_temperature(*draw(8000, factor)) == pytest.approx(factor, rel=0.05)


def test_other_rows_are_better_calibrated():
    temperature = fit_temperature(*draw(300, 3.0))
    logits, codes = draw(4000, 3.0, seed=1)
    before = calibration_error(softmax(logits), codes)
    after = calibration_error(softmax(logits / temperature), codes)
    assert before > 0.2
    assert after < 0.06


def test_the_order_of_the_classes_stays():
    logits, codes = draw(300, 3.0)
    scaled = softmax(logits / fit_temperature(logits, codes))
    assert (scaled.argsort(axis=1) == logits.argsort(axis=1)).all()


def test_rows_without_an_error_do_not_make_it_certain():
    codes = np.arange(60) % 3
    logits = np.eye(3)[codes]
    sure = softmax(logits / fit_temperature(logits, codes))[np.arange(60), codes]
    # the rule of succession: 60 successes, and one more of either kind
    np.testing.assert_allclose(sure, 61 / 62 + 1 / 62 / 3, atol=1e-4)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (np.zeros((60, 3)), None),  # every temperature is as good
        (1000 * np.eye(3)[np.arange(60) % 3], 20.0),
        (1e-3 * np.eye(3)[np.arange(60) % 3], 0.05),
        (1000 * np.eye(3)[(np.arange(60) + 1) % 3], 20.0),  # certain, and always wrong
    ],
)
def test_extremes_stay_within_the_bounds(logits, expected):
    temperature = fit_temperature(logits, np.arange(60) % 3)
    assert 0.05 <= temperature <= 20
    if expected is not None:
        assert temperature == pytest.approx(expected, rel=1e-4)


def test_few_rows_change_nothing():
    logits, codes = draw(49, 5.0)
    assert fit_temperature(logits, codes) == 1.0
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1.0


def test_the_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    codes = np.array([0, 1, 1, 0])
    # bins of 0.2 width: 0.9, 0.9 half right; 0.8 right; 0.6 wrong
    by_hand = (2 * abs(0.5 - 0.9) + abs(1 - 0.8) + abs(0 - 0.6)) / 4
    assert calibration_error(probabilities, codes, n_bins=5) == pytest.approx(by_hand)


def test_certainty_that_is_right_has_no_error_and_wrong_certainty_all():
    certain = np.eye(3)[np.arange(30) % 3]
    assert calibration_error(certain, np.arange(30) % 3) == 0
    assert calibration_error(certain, (np.arange(30) + 1) % 3) == 1


def test_few_rows_of_a_calibrated_head_seem_to_err():
    few, many = (
        np.mean(
            [
                calibration_error(softmax(logits), codes)
                for logits, codes in (draw(n, seed=seed) for seed in range(20))
            ]
        )
        for n in (200, 5000)
    )
    assert many < 0.02 < 0.04 < few


@pytest.mark.parametrize(
    ("logits", "codes", "reason"),
    [
        (np.zeros((60, 3)), np.zeros(59, int), r"got \(60, 3\) and \(59,\)"),
        (np.zeros((60, 1)), np.zeros(60, int), r"got \(60, 1\)"),
        (np.full((60, 3), np.nan), np.zeros(60, int), "not finite"),
        (np.zeros((60, 3)), np.full(60, 3), "integers from 0 to 2"),
        (np.zeros((60, 3)), np.full(60, -1), "integers from 0 to 2"),
        (np.zeros((60, 3)), np.zeros(60), "integers from 0 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(logits, codes, reason):
    with pytest.raises(ValueError, match=reason):
        fit_temperature(logits, codes)


def test_bins_hold_their_upper_edge_and_the_first_holds_0():
    bins = reliability_bins(np.array([0.0, 1.0, 1 / 15]), np.array([False, True, False]))
    np.testing.assert_allclose(bins.middles, [1 / 30, 29 / 30])
    assert (bins.n_images.tolist(), bins.n_right.tolist()) == ([2, 1], [0, 1])
    np.testing.assert_allclose(bins.confidence, [1 / 30, 1])
    np.testing.assert_allclose(bins.excess, [-1 / 15, 0])
