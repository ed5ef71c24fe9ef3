"""The contract that the heads share, and what is particular to each."""

import tracemalloc
import unittest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from bottlebank.classifier import (
    DenseHead,
    Head,
    Layers,
    LogisticHead,
    NearestHead,
    layers,
    load_head,
    write_head_file,
)
from bottlebank.classifier import (
    dense_training as training,
)
from bottlebank.classifier import (
    logistic_solver as likelihood,
)
from bottlebank.classifier.layers import softmax, standardisation

from .conftest import blobs, rare_and_common

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

# What scikit-learn's checks leave out by themselves where something is missing, and why it may be.
MAY_BE_LEFT_OUT = {
    "check_array_api_input": "heads take NumPy arrays: SCIPY_ARRAY_API is not set",
    "check_classifier_data_not_an_array": "all but data frames was checked: they need pandas",
}

# What a network that is trained in steps cannot do, and why.
FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "the copies of a row come into other batches, "
    "and the rows that decide when training ends are others",
}


def checks(estimator, quick=None):
    """scikit-learn's own; those that are not in `quick` are marked as slow."""
    for made, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        marks = [pytest.mark.slow] if quick and name not in quick else []
        if quick and name in FAIL:
            marks.append(pytest.mark.xfail(reason=FAIL[name], strict=True))
        yield pytest.param(made, check, marks=marks, id=f"{type(made).__name__}-{name}")


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        *checks(LogisticHead()),
        *checks(NearestHead()),
        *checks(
            DenseHead(hidden=(8,), max_epochs=40, learning_rate=0.02, dropout=0.0), QUICK_CHECKS
        ),
    ],
)
def test_scikit_learns_contract(estimator, check):
    try:
        check(estimator)
    except unittest.SkipTest as skipped:
        pytest.skip(f"{MAY_BE_LEFT_OUT[check.func.__name__]} ({skipped})")


def quick_dense(**settings):
    return DenseHead(**{**QUICK, **settings})


@pytest.mark.parametrize("make", [LogisticHead, quick_dense, NearestHead])
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


@pytest.mark.parametrize("make", [LogisticHead, quick_dense])
class TestHeadsOfLayers:
    def test_the_same_seed_gives_the_same_head(self, make, three_classes):
        rows, labels = three_classes
        first, second = (make(random_state=3).fit(rows, labels) for _ in range(2))
        np.testing.assert_allclose(
            first.predict_proba(rows), second.predict_proba(rows), rtol=1e-4, atol=1e-5
        )
        assert clone(first).get_params() == first.get_params()

    def test_saved_and_loaded_it_answers_the_same(self, make, three_classes, tmp_path):
        rows, labels = three_classes
        fitted = make().fit(rows, labels)
        classes = tuple(fitted.classes_.tolist())
        head = Head(fitted.kind, classes, fitted.layers_, {"width": 20}, "float32")
        write_head_file(head, tmp_path / "head.h5")
        loaded = load_head(tmp_path / "head.h5")
        assert loaded.classes == classes
        assert loaded.version == head.version
        assert np.array_equal(loaded.predict_proba(rows), fitted.predict_proba(rows))

    def test_balanced_weights_find_more_of_a_rare_class(self, make):
        rows, labels = rare_and_common(4000)
        train, test = slice(0, 2000), slice(2000, 4000)

        def recall(class_weight):
            head = make(class_weight=class_weight).fit(rows[train], labels[train])
            return recall_score(labels[test], head.predict(rows[test]), pos_label="rare")

        assert recall("balanced") > recall(None) + 0.2

    def test_class_weights_that_cannot_be_meant(self, make, two_classes):
        with pytest.raises(ValueError, match="class_weight"):
            make(class_weight="fair").fit(*two_classes)


class TestLogisticHead:
    def test_the_strength_is_chosen_by_held_out_loss(self):
        """Labels that no column tells: a strong penalty must win; clean rows: a weak one."""
        random = np.random.default_rng(0)
        noisy = random.normal(size=(60, 300)).astype(np.float32)
        labels = random.choice(["a", "b"], size=60)
        strength_for_noise = LogisticHead().fit(noisy, labels).strength_
        rows, clean = blobs(3, 300, spread=0.3)
        head = LogisticHead().fit(rows, clean)
        assert strength_for_noise < head.strength_
        assert head.strength_ == max(head.scores_)
        assert head.scores_[head.strength_] == min(head.scores_.values())

    def test_a_sample_chooses_the_strength_where_rows_are_many(self, monkeypatch):
        rows, labels = rare_and_common(4000)
        test = slice(2000, 4000)
        rows, labels, test_rows, test_labels = rows[:2000], labels[:2000], rows[test], labels[test]
        every_row = LogisticHead().fit(rows, labels)
        monkeypatch.setattr(likelihood, "_ROWS_TO_CHOOSE", 500)
        sampled = LogisticHead().fit(rows, labels)
        chosen = min(sampled.scores_, key=sampled.scores_.get)
        assert sampled.strength_ == pytest.approx(chosen * 500 / 2000)
        assert sampled.score(test_rows, test_labels) == pytest.approx(
            every_row.score(test_rows, test_labels), abs=0.01
        )

    def test_a_sample_has_rows_of_every_class(self, monkeypatch):
        monkeypatch.setattr(likelihood, "_ROWS_TO_CHOOSE", 20)
        rows, labels = blobs(2, 200)
        labels[:3] = "rare"
        head = LogisticHead().fit(rows, labels)
        assert len(head.classes_) == 3
        assert all(np.isfinite(score) for score in head.scores_.values())

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("class_weight", [None, "balanced"])
    def test_a_single_strength_is_scikit_learns_fit(self, n_classes, class_weight):
        rows, labels = blobs(n_classes, 60, spread=4)
        rows, labels = rows[40:], labels[40:]
        ours = LogisticHead(strengths=(0.01,), class_weight=class_weight).fit(rows, labels)
        theirs = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, class_weight=class_weight, tol=1e-6)
        ).fit(rows, labels)
        np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=1e-3)

    def test_blocks_change_nothing(self, three_classes, monkeypatch):
        rows, labels = three_classes
        whole = LogisticHead().fit(rows, labels)
        monkeypatch.setattr(likelihood, "_ROWS_AT_ONCE", 7)
        blocks = LogisticHead().fit(rows, labels)
        np.testing.assert_allclose(whole.predict_proba(rows), blocks.predict_proba(rows), atol=1e-4)


class TestDenseHead:
    @pytest.mark.parametrize("output", ["softmax", "sigmoid"])
    def test_it_predicts_in_numpy_what_it_trained_in_tensorflow(
        self, output, two_classes, monkeypatch
    ):
        rows, labels = two_classes
        models = []
        real = training.Training.folded_layers

        def folded_layers(self):
            models.append(self._model)
            return real(self)

        monkeypatch.setattr(training.Training, "folded_layers", folded_layers)
        head = DenseHead(hidden=(32, 16), output=output, max_epochs=5).fit(rows, labels)
        mean, scale = head.layers_.mean, head.layers_.scale
        logits = models[0]((rows - mean) / scale, training=False).numpy()
        if output == "sigmoid":
            logits = np.hstack([np.zeros_like(logits), logits])
        np.testing.assert_allclose(head.predict_proba(rows), softmax(logits), atol=1e-5)
        assert len(head.layers_.kernels) == 3

    def test_it_keeps_its_best_epoch(self):
        """Labels without sense: the validation loss rises after some epochs, and is not last."""
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

    def test_with_balanced_weights_classes_weigh_the_same_in_the_validation_loss(self):
        rows, labels = rare_and_common(600)
        train, held_out = slice(0, 400), slice(400, 600)
        head = quick_dense(class_weight="balanced").fit(
            rows[train], labels[train], validation=(rows[held_out], labels[held_out])
        )
        codes = np.searchsorted(head.classes_, labels[held_out])
        own = head.predict_proba(rows[held_out])[np.arange(200), codes]
        weights = 1 / np.bincount(np.searchsorted(head.classes_, labels[train]))[codes]
        best = head.history_[head.best_epoch_ - 1].validation_loss
        assert best == pytest.approx(np.average(-np.log(own), weights=weights), abs=1e-4)

    def test_one_sigmoid_is_as_good_as_a_softmax(self):
        rows, labels = rare_and_common(4000)
        train, test = slice(0, 2000), slice(2000, 4000)
        softmax_head, sigmoid_head = (
            quick_dense(output=output).fit(rows[train], labels[train])
            for output in ("softmax", "sigmoid")
        )
        assert sigmoid_head.score(rows[test], labels[test]) == pytest.approx(
            softmax_head.score(rows[test], labels[test]), abs=0.01
        )
        assert sigmoid_head.layers_.n_classes == 2
        assert not sigmoid_head.layers_.kernels[-1][:, 0].any()

    def test_trained_in_bfloat16_it_is_as_good_as_in_float32(self):
        rows, labels = blobs(3, 1000, width=64, spread=5)
        train, test = slice(0, 2000), slice(2000, 3000)
        heads = {
            precision: quick_dense(precision=precision).fit(rows[train], labels[train])
            for precision in ("float32", "bfloat16")
        }
        accuracies = {name: head.score(rows[test], labels[test]) for name, head in heads.items()}
        assert 0.7 < accuracies["float32"] < 0.99, "too easy or too hard to tell"
        assert accuracies["bfloat16"] == pytest.approx(accuracies["float32"], abs=0.02)
        assert heads["bfloat16"].history_ != heads["float32"].history_
        assert {array.dtype for array in heads["bfloat16"].layers_.kernels} == {np.dtype("f4")}

    @pytest.mark.parametrize(
        ("least_work", "cpu_can", "expected"),
        [(0, True, "bfloat16"), (0, False, "float32"), (10**9, True, "float32")],
    )
    def test_bfloat16_is_for_large_jobs_on_cpus_that_have_it(
        self, least_work, cpu_can, expected, three_classes, monkeypatch
    ):
        monkeypatch.setattr(training, "_WORK_FOR_BFLOAT16", least_work)
        monkeypatch.setattr(training, "_cpu_computes_in_bfloat16", lambda: cpu_can)
        chosen = DenseHead(max_epochs=2).fit(*three_classes)
        explicit = DenseHead(max_epochs=2, precision=expected).fit(*three_classes)
        other = {"float32": "bfloat16", "bfloat16": "float32"}[expected]
        different = DenseHead(max_epochs=2, precision=other).fit(*three_classes)
        losses, expected_losses, other_losses = (
            [epoch.train_loss for epoch in head.history_] for head in (chosen, explicit, different)
        )
        assert losses == pytest.approx(expected_losses, rel=1e-6)
        assert losses != pytest.approx(other_losses, rel=1e-6)

    def test_kerass_global_policy_neither_matters_nor_changes(self, three_classes):
        import keras

        rows, labels = three_classes
        usual = DenseHead(max_epochs=3).fit(rows, labels).predict_proba(rows)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            head = DenseHead(max_epochs=3, precision="float32").fit(rows, labels)
            assert keras.config.dtype_policy().name == "mixed_float16"
        finally:
            keras.config.set_dtype_policy(before)
        np.testing.assert_allclose(head.predict_proba(rows), usual, rtol=1e-4, atol=1e-5)

    def test_steps_grow_with_the_rows(self):
        sizes = [training._batch_size("auto", n_rows) for n_rows in (20, 200, 2700, 78_619)]
        assert sizes == [20, 32, 256, 1024]
        assert training._batch_size(64, 78_619) == 64

    def test_the_batch_size_decides_about_time_and_not_about_accuracy(self):
        rows, labels = rare_and_common(4000)
        train, test = slice(0, 2000), slice(2000, 4000)
        small, large = (
            quick_dense(batch_size=batch_size, learning_rate=1e-3)
            .fit(rows[train], labels[train])
            .score(rows[test], labels[test])
            for batch_size in (16, 512)
        )
        assert small == pytest.approx(large, abs=0.01)

    def test_rows_are_not_copied_as_a_whole(self, monkeypatch):
        monkeypatch.setattr(training, "_NUMBERS_AT_ONCE", 2**17)  # 0.5 MiB
        rows, labels = blobs(2, 4000, width=512)  # 16 MiB
        DenseHead(hidden=(4,), max_epochs=1).fit(rows[:200], labels[:200])  # imports TensorFlow
        tracemalloc.start()
        DenseHead(hidden=(4,), max_epochs=1).fit(rows, labels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < rows.nbytes / 2

    def test_settings_that_cannot_be_meant(self, three_classes):
        rows, labels = three_classes
        with pytest.raises(ValueError, match="dropout is 1"):
            DenseHead(dropout=1).fit(rows, labels)
        with pytest.raises(ValueError, match="output is 'tanh'; expected 'softmax', 'sigmoid'"):
            DenseHead(output="tanh").fit(rows, labels)
        with pytest.raises(ValueError, match="'sigmoid', which separates two classes; there are 3"):
            DenseHead(output="sigmoid").fit(rows, labels)
        with pytest.raises(ValueError, match="precision is 'float16'; expected 'auto', 'float32'"):
            DenseHead(precision="float16").fit(rows, labels)
        with pytest.raises(ValueError, match="batch_size is 0; expected"):
            DenseHead(batch_size=0).fit(rows, labels)
        with pytest.raises(ValueError, match="no validation row has a class that is trained"):
            quick_dense().fit(rows, labels, validation=(rows[:3], ["x", "y", "z"]))
        with pytest.raises(ValueError, match="X has 19 features, but DenseHead is expecting 20"):
            quick_dense().fit(rows, labels, validation=(rows[:, 1:], labels))


class TestNearestHead:
    def test_votes_worked_out_by_hand(self):
        rows = np.array([[2, 0], [0, 1], [0, 5], [-3, 0]], np.float32)
        head = NearestHead(n_neighbours=3).fit(rows, ["a", "b", "b", "c"])
        # Cosines 1, 0 and 0 make votes of 1, 1/2 and 1/2; a third for each class; 3 in all.
        expected = [[4 / 9, 4 / 9, 1 / 9]]
        np.testing.assert_allclose(head.predict_proba([[7.0, 0.0]]), expected, rtol=1e-6)

    def test_the_nearest_alone_is_scikit_learns(self):
        rows, labels = blobs(5, 100, spread=4)
        ours = NearestHead(n_neighbours=1).fit(rows[:300], labels[:300])
        theirs = KNeighborsClassifier(1, metric="cosine").fit(rows[:300], labels[:300])
        assert (ours.predict(rows[300:]) == theirs.predict(rows[300:])).all()

    def test_lengths_do_not_matter_and_rows_of_zeros_do_no_harm(self, three_classes):
        rows, labels = three_classes
        head = NearestHead().fit(rows, labels)
        np.testing.assert_allclose(
            head.predict_proba(rows * 1000), head.predict_proba(rows), rtol=1e-5
        )
        assert np.isfinite(head.predict_proba(np.zeros((1, 20)))).all()

    def test_more_neighbours_than_rows(self):
        head = NearestHead(n_neighbours=50).fit(np.eye(3, dtype="f4"), ["a", "a", "b"])
        assert head.predict(np.eye(3)).tolist() == ["a", "a", "a"]

    def test_no_neighbours_cannot_be_meant(self, two_classes):
        with pytest.raises(
            ValueError, match="n_neighbours is 0; expected a whole number of at least 1"
        ):
            NearestHead(n_neighbours=0).fit(*two_classes)


def test_standardisation_sums_in_double_precision():
    column = np.full((200_000, 1), 1000.1, np.float32)
    column[::2] += 1
    mean, scale = standardisation(column)
    assert mean[0] == pytest.approx(1000.6, abs=1e-3)
    assert scale[0] == pytest.approx(0.5, abs=1e-3)
    assert standardisation(np.full((5, 1), 3.3, np.float32))[1][0] == 1


def test_standardisation_of_sorted_rows():
    """The first block says little about the others."""
    rows = np.sort(np.random.default_rng(0).gamma(0.5, size=(20_000, 3)), axis=0)
    mean, scale = standardisation(rows.astype(np.float32))
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scale, rows.std(axis=0), rtol=1e-5)


def test_softmax_does_not_overflow():
    assert softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])).tolist() == [[1, 0], [0.5, 0.5]]


def test_logits_are_computed_in_blocks_that_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    mean, scale, kernel = random.normal(size=5), np.ones(5), random.normal(size=(5, 3))
    head = Layers(mean, scale, [kernel], [np.arange(3)])
    rows = random.normal(size=(23, 5))
    expected = (rows - mean) @ kernel + np.arange(3)
    np.testing.assert_allclose(head.logits(rows), expected, rtol=1e-12)
    monkeypatch.setattr(layers, "_ROWS_AT_ONCE", 4)
    np.testing.assert_allclose(head.logits(rows), expected, rtol=1e-12)
