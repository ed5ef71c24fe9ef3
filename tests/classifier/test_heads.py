"""The contract that the heads share, and what is particular to each."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from bottlebank.classifier import DenseHead, Head, LogisticHead, load_head, save_head
from bottlebank.classifier.layers import softmax, standardisation

from .conftest import blobs

QUICK = {"hidden": (16,), "learning_rate": 0.01, "max_epochs": 40, "patience": 10}

# Each of the others fits several networks; all of them together take minutes.
QUICK_CHECKS = {
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_estimators_pickle",
    "check_fit2d_predict1d",
    "check_get_params_invariance",
    "check_n_features_in_after_fitting",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_supervised_y_2d",
}


def checks(estimator, quick=None):
    """scikit-learn's own; those that are not in `quick` are marked as slow."""
    for made, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        marks = [pytest.mark.slow] if quick and name not in quick else []
        yield pytest.param(made, check, marks=marks, id=f"{type(made).__name__}-{name}")


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        *checks(LogisticHead()),
        *checks(
            DenseHead(hidden=(8,), max_epochs=40, learning_rate=0.02, dropout=0.0), QUICK_CHECKS
        ),
    ],
)
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("make", [LogisticHead, lambda **s: DenseHead(**QUICK, **s)])
class TestEveryHead:
    def test_it_learns_what_can_be_learned(self, make, three_classes):
        rows, labels = three_classes
        head = make().fit(rows[:120], labels[:120])
        assert head.score(rows[120:], labels[120:]) > 0.9  # chance is 0.33

    def test_on_labels_without_sense_it_is_at_chance(self, make):
        random = np.random.default_rng(0)
        rows = random.normal(size=(400, 20)).astype(np.float32)
        labels = random.choice(["a", "b"], 400)
        head = make().fit(rows[:200], labels[:200])
        assert 0.35 < head.score(rows[200:], labels[200:]) < 0.65

    def test_probabilities_add_up_and_decide(self, make, three_classes):
        rows, labels = three_classes
        head = make().fit(rows, labels)
        probabilities = head.predict_proba(rows)
        assert probabilities.shape == (180, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
        assert (head.classes_[probabilities.argmax(axis=1)] == head.predict(rows)).all()

    def test_two_classes(self, make, two_classes):
        rows, labels = two_classes
        head = make().fit(rows, labels)
        assert head.predict_proba(rows).shape == (100, 2)
        assert head.score(rows, labels) > 0.95

    def test_the_same_seed_gives_the_same_head(self, make, three_classes):
        rows, labels = three_classes
        first, second = (make(random_state=3).fit(rows, labels) for _ in range(2))
        np.testing.assert_allclose(
            first.predict_proba(rows), second.predict_proba(rows), rtol=1e-4, atol=1e-5
        )
        assert clone(first).get_params() == first.get_params()

    def test_columns_of_any_scale_and_constant_ones_do_no_harm(self, make, three_classes):
        rows, labels = three_classes
        scaled = np.hstack([rows * 1e4, np.full((180, 3), 7.7, np.float32)])
        head = make().fit(scaled[:120], labels[:120])
        assert head.score(scaled[120:], labels[120:]) > 0.9

    def test_one_class_is_an_error(self, make):
        with pytest.raises(ValueError, match="only one class is present: 'a'"):
            make().fit(np.ones((4, 2), np.float32), ["a"] * 4)

    def test_a_class_with_one_row_is_no_error(self, make):
        rows, labels = blobs(2, 10)
        rows = np.vstack([rows, rows[:1] + 30])
        head = make().fit(rows, [*labels, "rare"])
        assert list(head.classes_) == ["class 0", "class 1", "rare"]

    def test_saved_and_loaded_it_answers_the_same(self, make, three_classes, tmp_path):
        rows, labels = three_classes
        fitted = make().fit(rows, labels)
        classes = tuple(fitted.classes_.tolist())
        head = Head(fitted.kind, classes, fitted.layers_, {"width": 20}, "float32")
        save_head(head, tmp_path / "head.h5")
        loaded = load_head(tmp_path / "head.h5")
        assert loaded.classes == classes
        assert loaded.version == head.version
        assert np.array_equal(loaded.predict_proba(rows), fitted.predict_proba(rows))


def test_the_strength_is_chosen_by_held_out_loss():
    """Few rows, many columns of noise: a strong penalty must win; many clean rows: a weak one."""
    random = np.random.default_rng(0)
    noisy = random.normal(size=(60, 300)).astype(np.float32)
    labels = np.where(noisy[:, 0] + random.normal(size=60) > 0, "a", "b")
    strength_for_noise = LogisticHead().fit(noisy, labels).strength_
    rows, clean = blobs(3, 300, spread=0.3)
    head = LogisticHead().fit(rows, clean)
    assert strength_for_noise < head.strength_
    assert head.strength_ == max(head.scores_)
    assert head.scores_[head.strength_] == min(head.scores_.values())


def test_a_single_strength_is_scikit_learns_fit(three_classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = three_classes
    ours = LogisticHead(strengths=(0.01,)).fit(rows, labels)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, tol=1e-6)).fit(rows, labels)
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=2e-3)


def test_the_dense_head_predicts_in_numpy_what_it_trained_in_tensorflow(three_classes, monkeypatch):
    from bottlebank.classifier import dense

    rows, labels = three_classes
    models = []
    real = dense._Training.folded_layers

    def folded_layers(self):
        models.append(self._model)
        return real(self)

    monkeypatch.setattr(dense._Training, "folded_layers", folded_layers)
    head = DenseHead(hidden=(32, 16), max_epochs=5).fit(rows, labels)
    mean, scale = head.layers_.mean, head.layers_.scale
    logits = models[0]((rows - mean) / scale, training=False).numpy()
    np.testing.assert_allclose(head.predict_proba(rows), softmax(logits), atol=1e-5)
    assert len(head.layers_.kernels) == 3


def test_the_dense_head_keeps_its_best_epoch():
    """Labels without sense: the validation loss rises after some epochs, and is not the last."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(120, 30)).astype(np.float32)
    labels = random.choice(["a", "b"], 120)
    validation = (rows[80:], labels[80:])
    seen = []
    head = DenseHead(hidden=(64,), dropout=0.0, max_epochs=60, patience=6).fit(
        rows[:80], labels[:80], validation=validation, on_epoch=seen.append
    )
    losses = [epoch.validation_loss for epoch in head.history_]
    assert seen == head.history_
    assert head.best_epoch_ == 1 + int(np.argmin(losses))
    assert len(losses) == head.best_epoch_ + 6
    probabilities = head.predict_proba(validation[0])
    codes = np.searchsorted(head.classes_, validation[1])
    loss = -np.log(probabilities[np.arange(40), codes]).mean()
    assert loss == pytest.approx(min(losses), abs=1e-4)


def test_dense_settings_that_cannot_be_meant(three_classes):
    rows, labels = three_classes
    with pytest.raises(ValueError, match="dropout is 1"):
        DenseHead(dropout=1).fit(rows, labels)
    with pytest.raises(ValueError, match="no validation row has a class that is trained"):
        DenseHead(**QUICK).fit(rows, labels, validation=(rows[:3], ["x", "y", "z"]))


def test_standardisation_sums_in_double_precision():
    column = np.full((200_000, 1), 1000.1, np.float32)
    column[::2] += 1
    mean, scale = standardisation(column)
    assert mean[0] == pytest.approx(1000.6, abs=1e-3)
    assert scale[0] == pytest.approx(0.5, abs=1e-3)
    assert standardisation(np.full((5, 1), 3.3, np.float32))[1][0] == 1


def test_softmax_does_not_overflow():
    assert softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])).tolist() == [[1, 0], [0.5, 0.5]]
