"""`bottlebank extractors` says how fast a network was on this machine."""

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, identity, index
from bottlebank.extraction import run
from bottlebank.extraction.earlier.measured_speeds import measured_speeds
from bottlebank.features import ExtractorSpec, recipe_for

LITE = "efficientnet_lite0"


@pytest.fixture
def noted(tmp_path):
    """Note speeds as an extraction does."""

    def note(speed, precision="float32", **settings):
        recipe, _ = recipe_for(ExtractorSpec.of(LITE, **settings))
        with CacheFolder(tmp_path, create=True) as folder:
            with folder.open(recipe.fingerprint, precision).writer(recipe.as_dict()):
                pass
            folder.remember_use(recipe.fingerprint, precision, speed)
        return measured_speeds(tmp_path)

    return note


def test_the_fastest_precision_of_the_last_extraction_counts(noted):
    assert noted(10.0) == {LITE: 10.0}
    assert noted(8.0) == {LITE: 8.0}
    assert noted(30.0, "bfloat16") == {LITE: 30.0}
    assert noted(9.0) == {LITE: 30.0}


def test_another_fit_is_the_same_network(noted):
    assert noted(10.0, fit="crop") == {LITE: 10.0}


def test_what_was_measured_on_another_machine_is_not_told(noted, monkeypatch):
    monkeypatch.setattr(index, "this_machine", lambda: b"another")
    assert noted(10.0) == {LITE: 10.0}
    monkeypatch.setattr(index, "this_machine", identity.this_machine)
    assert noted(7.0, "bfloat16") == {LITE: 7.0}


def test_a_cache_that_is_not_there_is_not_made(tmp_path):
    assert measured_speeds(tmp_path / "none") == {}
    assert not (tmp_path / "none").exists()


def test_an_extraction_of_many_images_is_measured(photos, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = bb.extract(photos, extractor=LITE, cache=cache)
    assert 0 < first.report.extracted < run._MEASURED_FROM
    assert measured_speeds(cache) == {}, "of few images, little can be said"
    monkeypatch.setattr(run, "_MEASURED_FROM", first.report.extracted)
    report = bb.extract(photos, extractor=LITE, cache=cache, fit="pad").report
    assert measured_speeds(cache) == {LITE: report.images_per_second}
