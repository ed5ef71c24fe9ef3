"""What a map says of itself, against scikit-learn and against maps that are good or bad."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from bottlebank.viz import reduce
from bottlebank.viz.neighbourhoods import trust
from bottlebank.viz.neighbourhoods.trust import N_NEIGHBORS


def made_up(n_images, n_features=30, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n_images)
    centres = rng.normal(scale=2.0, size=(5, n_features))
    features = centres[labels] + rng.normal(size=(n_images, n_features))
    return features.astype(np.float32), labels.astype(str)


@pytest.mark.parametrize("n_images", [3, 4, 21, 22, 150, 700])
def test_it_is_scikit_learns_trustworthiness(n_images):
    features, labels = made_up(n_images)
    points = reduce(features, "pca").points
    measured = trust.trust(features, points, labels)
    k = min(10, (n_images - 1) // 2)
    assert measured.n_neighbors == k
    wanted = trustworthiness(features, points, n_neighbors=k)
    assert measured.trustworthiness == pytest.approx(wanted, abs=5e-6)  # a few ranks round


def test_of_many_images_a_sample_tells_the_same(monkeypatch):
    features, labels = made_up(1500)
    points = reduce(features, "pca").points
    wanted = trustworthiness(features, points, n_neighbors=N_NEIGHBORS)
    all_of_them = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(points)
    same = labels[all_of_them.kneighbors(return_distance=False)] == labels[:, None]
    for seed in range(3):
        measured = trust.trust(features, points, labels, seed)
        assert measured.trustworthiness == pytest.approx(wanted, abs=0.01)
        assert measured.neighbourhood_hit == pytest.approx(same.mean(), abs=0.02)
    assert trust.trust(features, points, labels, 2) == measured
    monkeypatch.setattr(trust, "_MOST_PRODUCTS", 1)
    few = trust.trust(features, points, labels)
    assert few != measured
    assert few.trustworthiness == pytest.approx(wanted, abs=0.03)


def test_a_good_map_and_a_random_one():
    rng = np.random.default_rng(4)
    features = np.c_[rng.normal(size=(400, 2)), np.zeros((400, 6))].astype(np.float32)
    labels = np.where(features[:, 0] > 0, "right", "left")
    good = trust.trust(features, features[:, :2] * 3, labels)
    assert good.trustworthiness > 0.9999
    assert good.neighbourhood_hit > 0.9
    bad = trust.trust(features, rng.permutation(features[:, :2]), labels)
    assert bad.trustworthiness == pytest.approx(0.5, abs=0.05)
    assert bad.neighbourhood_hit == pytest.approx(0.5, abs=0.06)
    words = good.in_words()
    assert words.startswith("trustworthiness 1.00, 9")
    assert words.endswith(" % of the nearest 10 on the map have the same label")


def test_images_without_a_label_count_in_trustworthiness_alone():
    features, labels = made_up(300)
    points = reduce(features, "pca").points
    labels[::2] = ""
    measured = trust.trust(features, points, labels)
    labelled = trust.trust(features[1::2], points[1::2], labels[1::2])
    assert measured.neighbourhood_hit == pytest.approx(labelled.neighbourhood_hit)
    assert measured.trustworthiness == trust.trust(features, points).trustworthiness


@pytest.mark.parametrize("labels", [None, ["one"] * 30, [""] * 30, [""] * 28 + ["a", "b"]])
def test_without_two_labels_there_is_no_hit_rate(labels):
    features, _ = made_up(30)
    measured = trust.trust(features, features[:, :2], labels)
    assert measured.neighbourhood_hit is None
    assert measured.in_words() == f"trustworthiness {measured.trustworthiness:.2f}"


def test_two_hundred_classes():
    features, _ = made_up(400)
    labels = [f"كلاس {number} <script>" for number in np.repeat(np.arange(200), 2)]
    measured = reduce(np.repeat(features[:200], 2, axis=0), labels=labels).trust
    assert 0.05 < measured.neighbourhood_hit < 0.2  # one of ten neighbours has the label


def test_maps_of_which_nothing_can_be_said():
    two = np.array([[0, 1], [1, 0]], np.float32)
    assert trust.trust(two, two, ["a", "b"]) is None
    assert reduce(two).trust_as_json() == {"trustworthiness": None, "neighbourhood_hit": None}
    same = np.zeros((40, 2), np.float32)
    assert trust.trust(same, same) is None
    assert reduce(np.ones((9, 3))).trust is None


def test_copies_do_not_count_as_strangers():
    """More copies in one place than neighbours: each still has ten that are not itself."""
    features = np.repeat(made_up(4)[0], 50, axis=0)
    labels = np.repeat([*"abcd"], 50)
    embedding = reduce(features, "pca", labels=labels.tolist())
    assert embedding.trust_as_json() == {"trustworthiness": 1.0, "neighbourhood_hit": 1.0}
