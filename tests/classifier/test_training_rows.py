import numpy as np
import pytest

from bottlebank.classifier import DenseHead, LogisticHead, NearestHead
from bottlebank.classifier.cross_validation import out_of_fold
from bottlebank.classifier.fitting import fit_head
from bottlebank.classifier.groups import require_groups, units_of
from bottlebank.classifier.training_rows import training_rows
from bottlebank.errors import UsageError


@pytest.fixture
def images():
    """Rows of 40 images of two classes, three views of each near it, and weights."""
    random = np.random.default_rng(0)
    labels = np.array(["cat", "dog"] * 20)
    features = random.normal(size=(40, 6)).astype(np.float32)
    features[labels == "dog", 0] += 2
    views = features[:, None] + 0.1 * random.normal(size=(40, 3, 6)).astype(np.float32)
    return features, labels, random.uniform(0.5, 2, 40), views.astype(np.float32)


def test_the_weight_of_an_image_is_divided_among_its_rows(images):
    features, labels, weights, views = images
    rows = training_rows(features, labels, weights, views)
    assert rows.features.shape == (160, 6)
    np.testing.assert_array_equal(rows.features[:40], features)
    for image in range(40):
        own = np.flatnonzero(rows.groups == image)
        assert own[0] == image
        np.testing.assert_array_equal(rows.features[own[1:]], views[image])
        assert set(rows.labels[own]) == {labels[image]}
        np.testing.assert_allclose(rows.weights[own], weights[image] / 4)
    alone = training_rows(features, labels, None, views)
    np.testing.assert_allclose(alone.weights, 0.25)


def test_without_views_nothing_changes(images):
    features, labels, weights, views = images
    for none in (None, views[:, :0]):
        rows = training_rows(features, labels, weights, none)
        assert rows.features is features
        assert rows.weights is weights
        assert "groups" not in rows.about()


def test_an_image_of_weight_0_has_no_views(images):
    features, labels, weights, views = images
    weights[7] = 0
    rows = training_rows(features, labels, weights, views)
    assert (rows.weights[rows.groups == 7] == 0).all()
    assert (rows.weights[rows.groups != 7] > 0).all()


@pytest.mark.parametrize("kind", ["logistic", "knn"])
def test_views_that_show_the_same_change_nothing(images, kind):
    features, labels, weights, views = images
    rows = training_rows(features, labels, weights, np.repeat(features[:, None], 3, axis=1))
    make = {"logistic": LogisticHead, "knn": NearestHead}[kind]
    expected = make().fit(features, labels, sample_weight=weights)
    about = rows.about() if kind == "logistic" else {"sample_weight": rows.weights}
    found = make().fit(rows.features, rows.labels, **about)
    new = views[:, 0]
    np.testing.assert_allclose(found.predict_proba(new), expected.predict_proba(new), atol=1e-6)


def test_groups_are_held_out_together():
    """Copies with noise: held out alone, they would make every penalty look too strong."""
    random = np.random.default_rng(3)
    features = random.normal(size=(60, 30)).astype(np.float32)
    labels = random.permutation(np.repeat(["a", "b"], 30))  # nothing to be learned
    noise = 1e-3 * random.normal(size=(60, 4, 30))
    rows = training_rows(features, labels, None, (features[:, None] + noise).astype(np.float32))
    together = LogisticHead().fit(rows.features, rows.labels, **rows.about())
    apart = LogisticHead().fit(rows.features, rows.labels, sample_weight=rows.weights)
    assert together.strength_ == 1e-4
    assert apart.strength_ > together.strength_
    assert min(apart.scores_.values()) < 0.9 * min(together.scores_.values())


def test_the_strength_is_chosen_on_whole_groups_where_rows_are_many(images, monkeypatch):
    features, labels, _, views = images
    rows = training_rows(features, labels, None, views)
    from bottlebank.classifier import logistic_solver

    monkeypatch.setattr(logistic_solver, "_ROWS_TO_CHOOSE", 80)
    dealt = []
    real = logistic_solver._deal

    def deal(codes, n_folds, seed):
        dealt.append(len(codes))
        return real(codes, n_folds, seed)

    monkeypatch.setattr(logistic_solver, "_deal", deal)
    head = LogisticHead().fit(rows.features, rows.labels, **rows.about())
    assert dealt == [20]  # half of the images, each with all of its rows
    assert head.score(features, labels) > 0.7


def test_the_order_of_rows_with_groups_does_not_matter(images):
    features, labels, weights, views = images
    rows = training_rows(features, labels, weights, views)
    order = np.random.default_rng(1).permutation(160)
    one = LogisticHead().fit(rows.features, rows.labels, **rows.about())
    other = LogisticHead().fit(
        rows.features[order],
        rows.labels[order],
        sample_weight=rows.weights[order],
        groups=[f"image {number}" for number in rows.groups[order]],
    )
    np.testing.assert_array_equal(one.layers_.kernels[0], other.layers_.kernels[0])


def test_a_dense_head_holds_out_whole_images(images):
    features, labels, _, views = images
    rows = training_rows(features, labels, None, views)
    head = DenseHead(hidden=(), max_epochs=1)
    head.classes_, codes = np.unique(rows.labels, return_inverse=True)
    train, held_out = head._hold_out(codes, rows.groups, np.random.RandomState(0))
    assert len(train) + len(held_out) == 160
    assert len(held_out) == 6 * 4
    assert not set(rows.groups[train]) & set(rows.groups[held_out])
    fitted = DenseHead(hidden=(32,)).fit(rows.features, rows.labels, **rows.about())
    assert fitted.score(features, labels) > 0.6


def test_folds_have_views_of_their_training_images_alone(images, monkeypatch):
    features, labels, weights, views = images
    folds = np.arange(40) % 4
    seen = []
    real = NearestHead.fit

    def fit(head, X, y, *, sample_weight=None):
        seen.append((X, sample_weight))
        return real(head, X, y, sample_weight=sample_weight)

    monkeypatch.setattr(NearestHead, "fit", fit)
    out_of_fold(
        lambda classes: NearestHead(3), features, labels, folds, weights=weights, views=views
    )
    assert len(seen) == 4
    for fold, (rows, given) in enumerate(seen):
        kept = folds != fold
        expected = np.concatenate([features[kept], views[kept].reshape(-1, 6)])
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_allclose(given.sum(), weights[kept].sum())


def test_groups_of_another_length_are_refused(images):
    features, labels, _, _ = images
    with pytest.raises(UsageError, match=r"groups has the shape \(3,\); expected .* \(40,\)"):
        LogisticHead().fit(features, labels, groups=[1, 2, 3])
    assert require_groups(None, None, [*"abcde"]) is None
    assert require_groups(["b", "a", "b"], [1, 0, 2], [*"abc"]).tolist() == [1, 1]


def test_units_are_of_one_class_and_numbered_as_they_come():
    codes = np.array([0, 0, 1, 1, 0, 1])
    units, of_units = units_of(codes, np.array([5, 3, 3, 9, 5, 3]))
    assert units.tolist() == [0, 1, 2, 3, 0, 2]
    assert of_units.tolist() == [0, 0, 1, 1]
    units, of_units = units_of(codes, None)
    assert units.tolist() == list(range(6))
    assert of_units is codes


def test_a_head_that_knows_no_groups_is_fitted_without(images):
    features, labels, _, views = images
    rows = training_rows(features, labels, None, views)
    fitted = fit_head(
        "logistic", rows.features, rows.labels, sample_weight=rows.weights, groups=rows.groups
    )
    head = LogisticHead().fit(rows.features, rows.labels, **rows.about())
    np.testing.assert_allclose(fitted.layers.kernels[0], head.layers_.kernels[0], atol=1e-6)
