import io
import os
import re
import subprocess
import sys

import numpy as np
import openTSNE
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from bottlebank.errors import UsageError
from bottlebank.viz import METHODS, Embedding, reduce, tsne
from bottlebank.viz.components import principal_components

N_CLASSES, N_EACH, N_FEATURES = 4, 40, 120
LABELS = np.repeat(np.arange(N_CLASSES), N_EACH)


@pytest.fixture(scope="module")
def blobs() -> NDArray[np.float32]:
    """Four classes whose centres are some six standard deviations of one class apart."""
    rng = np.random.default_rng(7)
    centres = rng.normal(scale=4.0, size=(N_CLASSES, N_FEATURES))
    noise = rng.normal(size=(N_CLASSES * N_EACH, N_FEATURES))
    return (centres[LABELS] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def embeddings(blobs) -> dict[str, Embedding]:
    return {method: reduce(blobs, method, random_state=5) for method in METHODS}


def leave_one_out_accuracy(points: NDArray[np.float32]) -> float:
    # The nearest neighbour of a point among all is itself; the second decides.
    nearest = KNeighborsClassifier(1).fit(points, LABELS)
    neighbours = nearest.kneighbors(points, 2, return_distance=False)[:, 1]
    return float(np.mean(LABELS[neighbours] == LABELS))


@pytest.mark.parametrize("method", METHODS)
def test_separate_classes_stay_separate(method, embeddings):
    embedding = embeddings[method]
    assert embedding.points.dtype == np.float32
    assert leave_one_out_accuracy(embedding.points) >= 0.99
    assert silhouette_score(embedding.points, LABELS) >= 0.6


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides(method, blobs, embeddings):
    first, again = embeddings[method], reduce(blobs, method, random_state=5)
    np.testing.assert_array_equal(first.points, again.points)
    assert first[1:5] == again[1:5]
    if METHODS[method].seeded:
        few = blobs[::8]
        other = [reduce(few, method, random_state=seed).points for seed in (0, 1)]
        assert not np.array_equal(*other)


def test_pca_keeps_distances_in_a_plane():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(50, 2)) * (5, 2)
    axes = np.linalg.qr(rng.normal(size=(30, 2)))[0].T
    points = reduce(plane @ axes + 100, "pca").points
    wanted = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(points[:, None] - points[None], axis=-1), wanted, atol=1e-3
    )
    assert points[:, 0].std() > points[:, 1].std()


def test_pca_axes_point_the_same_way_whatever_the_order_of_rows(blobs):
    order = np.random.default_rng(1).permutation(len(blobs))
    points = reduce(blobs, "pca").points
    np.testing.assert_allclose(reduce(blobs[order], "pca").points, points[order], atol=1e-3)


def test_pca_axes_point_along_their_largest_loading():
    line = np.arange(10.0)[:, None]
    assert np.all(np.diff(reduce(line * [3.0, -1.0], "pca").points[:, 0]) > 0)
    assert np.all(np.diff(reduce(line * [-3.0, 1.0], "pca").points[:, 0]) < 0)


@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (5, 3), (2, 9), (30, 1)])
def test_principal_components_are_those_of_scikit_learn(shape):
    n_images, n_features = shape
    deviations = np.linspace(3, 0.1, n_features)
    features = np.random.default_rng(0).normal(5, deviations, shape).astype(np.float32)
    mean = features.mean(axis=0)
    n = min(n_images - 1, n_features, 20)
    found = principal_components(features - mean, mean, 1.0, n, seed=0)
    expected = PCA(n, svd_solver="full").fit(features)
    np.testing.assert_allclose(found.shares, expected.explained_variance_ratio_, atol=1e-6)
    np.testing.assert_allclose(np.abs(found.axes @ expected.components_.T), np.eye(n), atol=1e-3)
    np.testing.assert_allclose(found.values, (features - found.middle) @ found.axes.T, atol=1e-4)
    assert (np.take_along_axis(found.axes, np.abs(found.axes).argmax(1)[:, None], 1) > 0).all()


def test_directions_in_which_nothing_varies_have_no_axis():
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 9)), 2, axis=0).astype(np.float32)
    found = principal_components(rows - rows.mean(axis=0), rows.mean(axis=0), 1.0, 5, seed=0)
    assert (np.abs(found.values[:, 2:]) < 1e-5).all()
    assert np.linalg.norm(found.axes, axis=1).round(3).tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_pca_follows_the_scale_of_the_features(factor, blobs):
    scaled = reduce(blobs.astype(np.float64) * factor, "pca").points
    np.testing.assert_allclose(scaled / np.float32(factor), reduce(blobs).points, atol=1e-3)


def test_captions_give_the_parameters(embeddings):
    tsne = embeddings["tsne"].caption
    assert tsne.startswith("t-SNE, perplexity 30, on 50 principal components (9")
    assert " % of the variance), seed 5; trustworthiness 0." in tsne
    umap = embeddings["umap"].caption
    assert umap.startswith(
        "UMAP, 15 neighbours, min_dist 0.1, Euclidean metric, started from PCA, "
        "on 50 principal components (9"
    )
    assert " % of the variance), gaps between groups narrowed, seed 5; trustworthiness 0." in umap


def test_the_caption_of_pca_gives_the_variance_of_each_axis():
    features = [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    embedding = reduce(features, "pca")
    words, _, trusted = embedding.caption.partition("; ")
    assert words == "PCA, axis 1 holds 90 % of the variance, axis 2 holds 10 %"
    assert trusted.startswith("trustworthiness ")
    np.testing.assert_allclose(embedding.shares, (0.9, 0.1), atol=1e-6)
    in_space = reduce(features, "pca", dimensions=3)
    assert "axis 2 holds 10 %, axis 3 holds 0 %" in in_space.caption
    assert len(in_space.shares) == 3
    np.testing.assert_array_equal(in_space.points[:, 2], 0)


@pytest.mark.parametrize(
    ("method", "n_images", "parameters"),
    [
        (
            "tsne",
            2,
            "t-SNE, perplexity 1, on 1 principal component (100 % of the variance), seed 0",
        ),
        ("tsne", 3, "perplexity 1, on 2 principal components"),
        ("tsne", 8, "perplexity 2.33, on 7 principal components"),
        ("umap", 2, "UMAP needs at least 3 images: 2 placed by PCA instead, axis 1 holds 100 %"),
        ("umap", 3, "UMAP, 2 neighbours"),
        ("umap", 5, "UMAP, 4 neighbours"),
        ("pca", 2, "axis 1 holds 100 % of the variance, axis 2 holds 0 %"),
    ],
)
def test_few_images_shrink_the_parameters(method, n_images, parameters):
    features = np.random.default_rng(2).normal(size=(n_images, 9))
    embedding = reduce(features, method)
    assert parameters in embedding.caption
    assert np.isfinite(embedding.points).all()
    assert len(np.unique(embedding.points, axis=0)) == n_images


@pytest.mark.parametrize("method", METHODS)
def test_equal_features_share_one_place(method):
    embedding = reduce(np.full((7, 5), 0.1), method)
    np.testing.assert_array_equal(embedding.points, np.zeros((7, 2), np.float32))
    assert embedding.caption == "One place for all images, which have the same transfer values"


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_an_image_lie_together(method):
    groups = np.repeat(np.arange(3), 20)
    features = np.random.default_rng(3).normal(size=(3, 6))[groups]
    points = reduce(features, method).points
    assert np.isfinite(points).all()
    assert silhouette_score(points, groups) >= 0.5


@pytest.mark.parametrize("method", METHODS)
def test_one_feature_is_enough(method):
    features = np.r_[np.linspace(0, 1, 10), np.linspace(9, 10, 10)][:, None]
    points = reduce(features, method).points
    assert np.isfinite(points).all()
    assert silhouette_score(points, np.repeat([0, 1], 10)) >= 0.3


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((1, 4)), "at least 2 images and there is 1 image$"),
        (np.zeros((0, 4)), "at least 2 images and there is 0 images$"),
        ([[1.0, 2.0], [np.nan, 0.0]], "1 of 2 rows hold NaN or infinity, the first is row 1"),
        ([[1e300, 2.0], [1.0, 0.0]], "1 of 2 rows hold NaN or infinity, the first is row 0"),
        (np.zeros(4), r"\(n, d\) with d of at least 1, not \(4,\)"),
        (np.zeros((4, 0)), r"\(n, d\) with d of at least 1, not \(4, 0\)"),
        ([["a", "b"], ["c", "d"]], "array of numbers"),
        ([[1.0], [1.0, 2.0]], "array of numbers"),
    ],
)
def test_features_that_make_no_map_are_refused(features, message):
    with pytest.raises(UsageError, match=message):
        reduce(features)


def test_an_unknown_method_is_refused_with_the_known_ones(blobs):
    with pytest.raises(UsageError, match=r"'t-sne': choose one of pca, "):
        reduce(blobs, "t-sne")


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, None])
def test_a_seed_out_of_range_is_refused(seed, blobs):
    with pytest.raises(UsageError, match=r"random_state is .*; expected a whole number"):
        reduce(blobs, random_state=seed)


@pytest.mark.slow  # a process that compiles UMAP
def test_umap_does_not_import_tensorflow():
    script = (
        "import sys\n"
        "from bottlebank.viz.umap import _import_umap\n"
        "_import_umap()\n"
        "print([name for name in ('umap', 'tensorflow', 'keras') if name in sys.modules])\n"
        "import umap.parametric_umap"  # can still be imported by whoever has TensorFlow
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['umap']\n", done.stderr


@pytest.mark.slow  # a process that compiles UMAP
def test_a_second_process_finds_what_numba_compiled_of_umap(tmp_path):
    script = (
        "import numpy as np\n"
        "from bottlebank.viz import reduce\n"
        "points = reduce(np.random.default_rng(0).normal(size=(20, 5)), 'umap').points\n"
        "from umap import layouts, umap_\n"
        "step = layouts._nb_optimize_layout_euclidean_single_epoch\n"
        "functions = umap_.smooth_knn_dist, umap_.compute_membership_strengths, step\n"
        "print([sum(function.stats.cache_hits.values()) for function in functions])\n"
        "print(points.tobytes().hex())"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-P", "-c", script],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for _ in range(2)
    )
    assert (first[0], second[0]) == ("[0, 0, 0]", "[1, 1, 1]")
    assert first[1] == second[1]


@pytest.mark.parametrize("method", METHODS)
def test_three_dimensions(method, blobs):
    few = blobs[::3]  # more of a class than the 10 neighbours that are counted
    first, again = (reduce(few, method, dimensions=3, random_state=2) for _ in range(2))
    assert first.points.shape == (len(few), 3)
    assert np.linalg.matrix_rank(first.points - first.points.mean(axis=0)) == 3
    assert silhouette_score(first.points, LABELS[::3]) >= 0.4
    np.testing.assert_array_equal(first.points, again.points)
    plane = reduce(few, method, random_state=2)
    assert first.trust.trustworthiness >= plane.trust.trustworthiness - 0.02


def test_what_is_set_is_what_runs(blobs):
    few = blobs[::4]
    tsne = reduce(few, "tsne", perplexity=5)
    assert tsne.caption.startswith("t-SNE, perplexity 5, ")
    assert not np.array_equal(tsne.points, reduce(few, "tsne", perplexity=6.5).points)
    assert reduce(few, "umap", neighbors=4).caption.startswith("UMAP, 4 neighbours, ")


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("tsne", {"perplexity": 14}, "perplexity is 14; of 40 images it is at most 13, a third"),
        ("tsne", {"perplexity": 0.5}, "perplexity is 0.5; expected a number of at least 1"),
        ("tsne", {"perplexity": np.nan}, "perplexity is nan; expected a number"),
        ("tsne", {"perplexity": "30"}, "perplexity is '30'; expected a number"),
        ("pca", {"perplexity": 5}, "perplexity is a setting of the method tsne alone: leave"),
        ("tsne", {"neighbors": 5}, "neighbors is a setting of the method umap alone: leave"),
        ("umap", {"neighbors": 40}, "neighbors is 40; of 40 images it is at most 39"),
        ("umap", {"neighbors": 1}, "neighbors is 1; expected a whole number of at least 2"),
        ("umap", {"neighbors": 2.5}, "neighbors is 2.5; expected a whole number"),
        ("pca", {"dimensions": 1}, "dimensions is 1; expected a whole number of at least 2"),
        ("pca", {"dimensions": 4}, "dimensions is 4; expected 2 or 3"),
        ("pca", {"labels": ["a"]}, "labels must be one for each of the 40 images"),
    ],
)
def test_settings_out_of_range_are_refused(method, settings, message, blobs):
    with pytest.raises(UsageError, match=re.escape(message)):
        reduce(blobs[::4], method, **settings)


def test_bounds_hold_for_two_images():
    two = [[0.0, 1.0], [1.0, 0.0]]
    assert np.isfinite(reduce(two, "tsne", perplexity=1).points).all()
    with pytest.raises(UsageError, match="of 2 images it is at most 1, a third of the others"):
        reduce(two, "tsne", perplexity=2)
    with pytest.raises(UsageError, match="of 2 images it is at most 1, and a map with neigh"):
        reduce(two, "umap", neighbors=2)


def test_a_small_tsne_has_one_thread(monkeypatch, blobs):
    """Threads that add in the order in which they end make another map each time."""
    seen = []
    optimize = openTSNE.TSNEEmbedding.optimize

    def watched(self, n_iter, **settings):
        seen.append((self.gradient_descent_params["n_jobs"], settings.get("exaggeration")))
        return optimize(self, n_iter=1, **settings)

    monkeypatch.setattr("openTSNE.TSNEEmbedding.optimize", watched)
    monkeypatch.setattr(tsne, "available_cores", lambda: 2)
    reduce(blobs, "tsne")
    assert seen == [(1, 12.0), (1, None)]
    monkeypatch.setattr(tsne, "_GRID_FROM_IMAGES", len(blobs))
    reduce(blobs, "tsne")
    assert seen[2:] == [(2, 12.0), (2, None)]


def test_the_grid_of_a_large_tsne_gives_the_same_map_in_any_number_of_threads(monkeypatch, blobs):
    monkeypatch.setattr(tsne, "_GRID_FROM_IMAGES", 0)
    phases = [{"n_iter": 8, "exaggeration": 12.0, "momentum": 0.5}, {"n_iter": 8}]
    monkeypatch.setattr(tsne, "_PHASES", phases)
    maps = []
    for n_threads in (1, 2):
        monkeypatch.setattr(tsne, "available_cores", lambda n=n_threads: n)
        maps.append(reduce(blobs, "tsne").points)
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize(("method", "far"), [("tsne", "7[0-9]0/750"), ("umap", r"epoch \d+ of")])
def test_a_map_says_how_far_it_is_and_is_the_same_map(method, far, blobs, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr("bottlebank.progress._REFRESH_S", 0.001)
    silent = reduce(blobs[::2], method, progress=False)
    assert shown.getvalue() == ""
    told = reduce(blobs[::2], method, progress=True)
    assert re.search(far, shown.getvalue())
    np.testing.assert_array_equal(told.points, silent.points)
