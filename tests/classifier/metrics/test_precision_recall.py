import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from bottlebank.classifier.metrics.precision_recall import precision_recall


@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("n", [2, 30, 500])
def test_it_is_scikit_learns_curve(n, digits):
    random = np.random.default_rng(n)
    probabilities = random.random(n).round(digits)  # with equal ones, and without
    is_true = random.random(n) < 0.3 + 0.4 * probabilities
    is_true[0] = True
    found = precision_recall("cat", probabilities, is_true)
    precision, recall, _ = precision_recall_curve(is_true, probabilities)
    np.testing.assert_allclose(found.precision, precision[-2::-1])
    np.testing.assert_allclose(found.recall, recall[-2::-1])
    assert found.average_precision == pytest.approx(average_precision_score(is_true, probabilities))
    np.testing.assert_allclose(
        found.f1, 2 * precision[-2::-1] * recall[-2::-1] / (precision + recall)[-2::-1].clip(1e-9)
    )


def test_a_class_without_images_has_no_curve():
    assert precision_recall("cat", np.array([0.5]), np.array([False])) is None
