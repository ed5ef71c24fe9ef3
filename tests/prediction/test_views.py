"""Predictions that are averaged over views of each image."""

import io

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import UsageError
from bottlebank.extraction.workers import Workers
from bottlebank.features.images.view_rules import require_views
from bottlebank.prediction.loading import views_for


@pytest.fixture
def head(trained, tmp_path):
    path = tmp_path / "head.h5"
    bb.save_head(trained, path)
    return path


@pytest.fixture
def predictor(head, cache):
    """A function that loads the head, to see several views."""

    def load(n_views=3, **settings):
        return bb.load_predictor(
            head, cache=cache, engine="openvino", precision="float32", views=n_views, **settings
        )

    return load


@pytest.fixture
def expected(table, trained, cache):
    """The mean over views, from the rows that extraction computes."""
    views = bb.extract(
        table.paths, "random", cache=cache, engine="openvino", precision="float32", views=3
    )
    every = np.concatenate([views.features[:, None], views.view_features()], axis=1)
    each = trained.head.predict_proba(every.reshape(-1, every.shape[-1]))
    return each.reshape(*every.shape[:2], -1).mean(axis=1)


def probabilities(predictions, classes):
    return np.array([[dict(each)[name] for name in classes] for each in predictions])


def test_files_whose_views_are_cached_are_not_decoded(expected, table, predictor, monkeypatch):
    monkeypatch.setattr(Workers, "start", None)  # would fail
    loaded = predictor(many=True)
    found = probabilities(loaded.predict_files(table.paths), loaded.classes)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - predictor(0).predict_proba(table.paths)).max() > 1e-4


def test_what_is_not_cached_is_computed_and_what_is_cached_is_used(
    table, predictor, expected, tmp_path, photos
):
    """View 0 is in the cache for all, and the others for none but the one that is predicted."""
    some = [*table.paths[:6], table.paths[2]]
    found = predictor().predict_proba(some)
    np.testing.assert_allclose(found, expected[[0, 1, 2, 3, 4, 5, 2]], atol=1e-4)


def test_every_form_of_an_image(predictor, table, expected):
    loaded, path = predictor(), table.paths[0]
    with open(path, "rb") as file:
        data = file.read()
    for form in (path, data, io.BytesIO(data)):
        found = probabilities([loaded(form)], loaded.classes)
        np.testing.assert_allclose(found, expected[:1], atol=1e-4)
    several = loaded([data, path, b"torn", data])
    assert several[2].error
    found = probabilities([several[n] for n in (0, 1, 3)], loaded.classes)
    np.testing.assert_allclose(found, expected[[0, 0, 0]], atol=1e-4)


def test_of_pictures_in_memory_views_follow_from_their_pixels(predictor, table):
    loaded = predictor()
    with Image.open(table.paths[0]) as opened:
        picture = opened.convert("RGB")
    alone = loaded(picture)
    together = loaded([picture, np.asarray(picture), picture])
    for each in together:
        assert each.label == alone.label
        np.testing.assert_allclose(each.probability, alone.probability, atol=1e-5)
    assert loaded(picture).probability != predictor(0)(picture).probability


def test_the_image_itself_decides_whether_it_is_unknown(predictor, table):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    images = [*map(str, table.paths[:8]), noise]
    alone, averaged = predictor(0)(images), predictor()(images)
    assert [each.unknown for each in alone] == [each.unknown for each in averaged]


def test_the_rule_is_that_of_the_head(trained):
    head = trained.head
    assert views_for(head, 2) == require_views(2, "mixed")
    head.training["view_rule"] = "unflipped"
    assert views_for(head, 2) == require_views(2, "unflipped")
    assert views_for(head, 2, "mixed") == require_views(2, "mixed")
    head.training["view_rule"] = ["any", "JSON"]
    assert views_for(head, 1).rule == "mixed"
    head.training["view_rule"] = "flip"
    with pytest.raises(UsageError, match="at most 1 of the rule flip"):
        views_for(head, 2)
