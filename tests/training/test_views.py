"""Heads that are trained on views of the training images beside them."""

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.training_rows import training_rows
from bottlebank.datasets.splits import TRAIN
from bottlebank.errors import HeadFileError, UsageError
from bottlebank.extraction.feature_table import FeatureTable
from bottlebank.training import evaluate_split, extract_for_head
from bottlebank.training import train as module
from bottlebank.training.compare import compare
from bottlebank.training.cross_validation import cross_validate
from bottlebank.training.head_settings import HeadSettings


@pytest.fixture
def extract(photos, cache):
    def run(views, **settings):
        given = {"engine": "openvino", "precision": "float32", **settings}
        return bb.extract(photos, "random", cache=cache, views=views, **given)

    return run


def test_a_head_is_trained_on_views_of_the_train_split_alone(extract, monkeypatch):
    table = extract(3)
    asked = []
    real = FeatureTable.view_features

    def view_features(table, rows=None):
        asked.append(rows)
        return real(table, rows)

    monkeypatch.setattr(FeatureTable, "view_features", view_features)
    monkeypatch.setattr(module, "cross_validate", lambda *_: None)
    fit_unknown = module.fit_unknown

    def fit_to_images(layers, features, *others, **settings):
        np.testing.assert_array_equal(features, table.features[asked[0]])
        return fit_unknown(layers, features, *others, **settings)

    monkeypatch.setattr(module, "fit_unknown", fit_to_images)
    trained = bb.train_head(table)
    train = trained.split.rows(TRAIN)
    (rows,) = asked
    np.testing.assert_array_equal(rows, train)

    views = real(table, train)
    expected = training_rows(table.features[train], table.labels[train], None, views)
    fitted = HeadSettings().fit(
        expected.features, expected.labels, sample_weight=expected.weights, groups=expected.groups
    )
    np.testing.assert_array_equal(fitted.layers.kernels[0], trained.head.layers.kernels[0])
    assert trained.head.training["views"] == 3
    assert trained.head.training["view_rule"] == "mixed"
    assert dict(trained.head.facts())["views"] == "3 of each training image (mixed)"
    monkeypatch.undo()
    alone = bb.train_head(extract(0))
    assert alone.head.version != trained.head.version
    assert "views" not in alone.head.training
    for name, found in trained.evaluations.items():
        assert found.images == alone.evaluations[name].images


def test_other_rules_give_other_heads(extract):
    heads = [bb.train_head(extract(1, view_rule=rule)).head for rule in ("mixed", "flip")]
    assert heads[0].version == heads[1].version
    assert [head.training["view_rule"] for head in heads] == ["mixed", "flip"]
    assert bb.train_head(extract(1, view_rule="unflipped")).head.version != heads[0].version


@pytest.mark.parametrize("kind", ["logistic", "dense"])
def test_weights_of_images_and_views_go_together(extract, kind):
    table = extract(2)
    weights = np.where(np.arange(len(table)) % 3, 1.0, 2.0)
    weights[5] = 0
    weighed = bb.FeatureTable(**{**vars(table), "weights": weights})
    trained = bb.train_head(weighed, kind)
    assert trained.evaluations["train"].accuracy > 0.6
    assert trained.head.version != bb.train_head(table, kind).head.version


def test_figures_of_few_images_are_of_heads_with_views(extract, tmp_path, photos, cache):
    """Also when `evaluate` has no views; where their rows are gone, there are no figures."""
    for path in photos.rglob("*.png"):
        if int(path.stem) >= 12:
            path.unlink()
    table = extract(2)
    trained = bb.train_head(table)
    assert trained.cross_validated is not None
    bb.save_head(trained, tmp_path / "head.h5")
    again, head = extract_for_head(photos, tmp_path / "head.h5", cache=cache, engine="openvino")
    assert again.n_views == 0
    evaluated = evaluate_split(head, again)
    np.testing.assert_array_equal(
        evaluated.cross_validated.probabilities, trained.cross_validated.probabilities
    )
    alone = bb.train_head(extract(0))
    assert (
        np.abs(alone.cross_validated.probabilities - trained.cross_validated.probabilities).max()
        > 1e-4
    )
    head.training["views"] = 40
    assert cross_validate(head, again, evaluated.split) is None
    head.training["views"] = "many"
    with pytest.raises(HeadFileError, match="views is 'many'.*train it again"):
        cross_validate(head, again, evaluated.split)


def test_folds_of_a_comparison_have_views(extract):
    alone, together = extract(0), extract(2)
    found = compare([alone, together], ["logistic", "knn"], names=["alone", "views"], n_folds=3)
    assert found.images == 60 - found.in_test
    by_name = {(trial.extractor, trial.head): trial.standing for trial in found.trials}
    assert len(by_name) == 4
    assert all(standing.accuracy > 0.6 for standing in by_name.values())


def test_an_evaluation_sees_no_views_unless_it_is_asked_to(extract, trained):
    seen = evaluate_split(trained.head, extract(0), "test")
    unseen = evaluate_split(trained.head, extract(3), "test")
    np.testing.assert_array_equal(seen.answer.probabilities, unseen.answer.probabilities)
    assert unseen.without_views is None


def test_an_evaluation_of_averages_says_what_they_bring(extract, trained):
    table = extract(3)
    alone = evaluate_split(trained.head, table, "test")
    found = evaluate_split(trained.head, table, "test", views=True)
    rows = found.rows
    every = np.concatenate([table.features[rows, None], table.view_features(rows)], axis=1)
    each = trained.head.predict_proba(every.reshape(-1, every.shape[-1]))
    expected = each.reshape(len(rows), 4, -1).mean(axis=1)
    np.testing.assert_allclose(found.answer.probabilities, expected, atol=1e-9)
    np.testing.assert_array_equal(found.answer.unknown, alone.answer.unknown)
    against = found.without_views
    assert against.before == alone.evaluation.accuracy
    assert 0 < against.p_value <= 1
    gained = found.evaluation.accuracy - against.before
    assert gained * len(rows) == pytest.approx(against.gained - against.lost)


def test_averages_need_views(extract, trained):
    with pytest.raises(UsageError, match="the table has no views: extract with views="):
        evaluate_split(trained.head, extract(0), "test", views=True)
