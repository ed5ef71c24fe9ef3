"""New images on a map that is there: the same place for an image alone and among a thousand."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bottlebank.viz.map_settings import require_layout
from bottlebank.viz.neighbourhoods.placement import N_NEIGHBORS, place_among, project
from bottlebank.viz.reduction import laid_out


def made_up(n_images, n_features, seed, n_groups=6, scale=1.0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(scale=3, size=(n_groups, n_features))
    features = centres[np.arange(n_images) % n_groups] + rng.normal(size=(n_images, n_features))
    return (features * scale + 5 * scale).astype(np.float32)


@pytest.mark.parametrize(
    ("n_laid_out", "n_features", "scale"),
    [(700, 1280, 1.0), (40, 3, 1e-6), (2, 64, 1e5), (300, 257, 1.0)],
)
def test_alone_and_among_a_thousand_to_the_last_bit(n_laid_out, n_features, scale):
    laid = made_up(n_laid_out, n_features, 1, scale=scale)
    new = made_up(1000, n_features, 2, scale=scale)
    for dimensions in (2, 3):
        points = np.random.default_rng(3).normal(size=(n_laid_out, dimensions)).astype(np.float32)
        together = place_among(new, laid, points)
        assert np.isfinite(together).all()
        for row in (0, 1, 499, 999):
            np.testing.assert_array_equal(
                place_among(new[row : row + 1], laid, points)[0], together[row]
            )
        with threadpool_limits(1):
            np.testing.assert_array_equal(
                place_among(new[7:400:3], laid, points), together[7:400:3]
            )


def test_the_shortlist_leaves_no_neighbour_out():
    """Against distances that are computed one by one, also where many are nearly equal."""
    rng = np.random.default_rng(5)
    laid = np.repeat(made_up(30, 50, 1), 10, axis=0)
    laid[::2] += rng.normal(scale=1e-6, size=laid[::2].shape).astype(np.float32)
    points = rng.normal(size=(len(laid), 2)).astype(np.float32)
    for row in made_up(25, 50, 9):
        squares = np.array([np.square(each.astype(float) - row).sum() for each in laid])
        nearest = np.argsort(squares, kind="stable")[:N_NEIGHBORS]
        wanted = place_among(row[None], laid[nearest], points[nearest])
        np.testing.assert_allclose(place_among(row[None], laid, points), wanted, rtol=1e-6)


def test_a_copy_lies_on_its_image():
    laid = made_up(60, 20, 1)
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    np.testing.assert_array_equal(place_among(laid[::7], laid, points), points[::7])


def test_an_image_between_two_groups_goes_to_one_of_them():
    laid = np.zeros((20, 4), np.float32)
    laid[:, 0] = np.r_[np.full(10, -1.0), np.full(10, 1.0)]
    laid[:, 1] = np.arange(20) * 1e-3
    points = np.c_[laid[:, 0] * 100, laid[:, 1]].astype(np.float32)
    place = place_among(np.array([[0.01, 0.01, 0, 0]], np.float32), laid, points)
    assert abs(abs(place[0, 0]) - 100) < 1


def test_new_images_go_to_their_group():
    laid, new = made_up(300, 40, 1), made_up(60, 40, 2)
    embedding = laid_out(laid, "tsne", require_layout("tsne"))
    centres = np.array([embedding.points[group::6].mean(axis=0) for group in range(6)])
    places = place_among(new, laid, embedding.points)
    nearest = np.linalg.norm(places[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.arange(60) % 6)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_on_principal_components_an_image_is_projected(dimensions):
    features = made_up(200, 30, 1)
    embedding = laid_out(features, "pca", require_layout("pca", dimensions=dimensions))
    again = project(features, embedding.projection)
    np.testing.assert_allclose(again, embedding.points, atol=1e-4)
    np.testing.assert_array_equal(project(features[50:51], embedding.projection)[0], again[50])
    few = laid_out(features[:2], "pca", require_layout("pca", dimensions=dimensions))
    np.testing.assert_allclose(project(features[:2], few.projection), few.points, atol=1e-4)
