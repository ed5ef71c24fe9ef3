"""Views in the cache: rows beside those of the images, each computed once."""

import logging
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key
from bottlebank.errors import UsageError
from bottlebank.extraction import careful_worker
from bottlebank.extraction.maintenance import describe, export, import_from, prune
from bottlebank.extraction.worker import Worker
from bottlebank.features import open_extractor, recipe_for
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.images.view_rules import RULES
from bottlebank.features.images.views import decode_views


def extract(data, cache, **settings):
    settings = {"engine": "openvino", "precision": "float32", **settings}
    return bb.extract(data, "random", cache=cache, **settings)


def rows_of(table):
    """What is in the cache, by key."""
    with CacheFolder(table.report.cache) as folder:
        opened = folder.open(table.report.fingerprint, "float32")
        keys = opened.keys()
        return dict(zip(keys, opened.rows(keys), strict=True))


def counts(report):
    return report.cached, report.extracted, report.rows, report.rows_extracted


@pytest.fixture
def few(photos):
    """Twelve images, of two classes."""
    for path in photos.rglob("*.png"):
        if int(path.stem) >= 6 or path.parent.name == "disc":
            path.unlink()
    return photos


def test_views_are_rows_beside_the_images_and_the_second_run_reads_nothing(few, cache, monkeypatch):
    first = extract(few, cache, views=4)
    assert counts(first.report) == (0, 12, 60, 60)
    assert (first.report.views, first.report.view_rule) == (4, "mixed")
    assert first.report.images_per_second > 0
    assert first.features.shape == (12, 512)
    assert first.view_features().shape == (12, 4, 512)
    assert set(rows_of(first)) == {
        Key(key.content, view) for key in first.keys for view in range(5)
    }

    def refuse(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(careful_worker, "read", refuse)
    monkeypatch.setattr(Worker, "start", refuse)
    second = extract(few, cache, views=4)
    assert counts(second.report) == (12, 0, 60, 0)
    np.testing.assert_array_equal(second.view_features(), first.view_features())
    fewer = extract(few, cache, views=2)
    np.testing.assert_array_equal(fewer.view_features(), first.view_features()[:, :2])
    none = extract(few, cache)
    assert none.n_views == 0
    assert none.view_features([1, 2]).shape == (2, 0, 512)
    assert counts(none.report) == (12, 0, 12, 0)


def test_a_row_is_what_the_network_makes_of_the_view(few, cache):
    table = extract(few, cache, views=3)
    recipe, weights = recipe_for(ExtractorSpec("random"))
    extractor = open_extractor(
        recipe,
        lambda: weights,
        engine="openvino",
        precisions=["float32"],
        networks=cache / "networks",
    )
    rows = [7, 2, 7]
    found = table.view_features(rows)
    for row, views in zip(rows, found, strict=True):
        with open(table.paths[row], "rb") as file:
            seen, _ = decode_views(file.read(), recipe.preprocessing, table.views.numbers)
        expected = extractor.transfer_values(np.stack(list(seen)))
        np.testing.assert_allclose(views, expected, rtol=1e-4, atol=1e-5)


def test_more_views_later_compute_only_the_new_ones(few, cache, tmp_path):
    assert counts(extract(few, cache).report) == (0, 12, 12, 12)
    assert counts(extract(few, cache, views=1).report) == (0, 12, 24, 12)
    grown = extract(few, cache, views=5)
    assert counts(grown.report) == (0, 12, 72, 48)
    other = tmp_path / "other"
    shutil.copytree(cache / "networks", other / "networks")
    at_once = extract(few, other, views=5)
    np.testing.assert_array_equal(grown.view_features(), at_once.view_features())
    np.testing.assert_array_equal(grown.features, at_once.features)


def test_rules_share_the_images_and_what_is_equal(few, cache):
    mixed = extract(few, cache, views=2)
    flip = extract(few, cache, views=1, view_rule="flip")
    assert counts(flip.report) == (12, 0, 24, 0)
    np.testing.assert_array_equal(flip.view_features()[:, 0], mixed.view_features()[:, 0])
    unflipped = extract(few, cache, views=2, view_rule="unflipped")
    assert counts(unflipped.report) == (0, 12, 36, 24)
    assert unflipped.report.fingerprint == mixed.report.fingerprint
    assert len(rows_of(mixed)) == 12 * 5
    for one, other in zip(unflipped.view_features(), mixed.view_features(), strict=True):
        assert np.abs(one - other).max() > 1e-3


def test_equal_files_share_their_views_and_what_is_damaged_has_none(few, cache):
    shutil.copy(few / "checks" / "00.png", few / "checks" / "twin.png")
    (few / "checks" / "torn.png").write_bytes(b"torn")
    table = extract(few, cache, views=3)
    report = table.report
    assert (report.images, report.extracted, report.duplicates, report.rejected) == (14, 12, 1, 1)
    assert (report.rows, report.rows_extracted) == (48, 48)
    twins = [row for row, path in enumerate(table.paths) if "00.png" in path or "twin" in path]
    twins = [row for row in twins if table.labels[row] == "checks"]
    first, second = table.view_features(twins)
    np.testing.assert_array_equal(first, second)
    again = extract(few, cache, views=4)
    assert (again.report.rejected, again.report.rows_extracted) == (1, 12)


def test_dark_images_are_counted_once(tmp_path, cache):
    dark = np.arange(256, dtype=np.uint16).reshape(16, 16)
    (tmp_path / "dark").mkdir()
    Image.fromarray(dark).save(tmp_path / "dark" / "one.png")
    table = extract([tmp_path / "dark" / "one.png"], cache, views=5)
    assert table.report.dark_16bit == 1


def test_rows_in_half_precision(few, cache):
    whole, half = extract(few, cache, views=2), extract(few, cache, views=2, store="float16")
    expected = whole.view_features()
    np.testing.assert_allclose(half.view_features(), expected, rtol=1e-3, atol=1e-4)


def test_what_leads_through_maintenance(few, cache, tmp_path):
    table = extract(few, cache, views=2)
    gone = few / "stripes" / "00.png"
    with CacheFolder(cache) as folder:
        opened = folder.open(table.report.fingerprint, "float32")
        described = describe(folder, opened)
        assert (described["rows"], described["images"]) == (36, 12)
        export(folder, opened, tmp_path / "all.h5")
        written = export(folder, opened, tmp_path / "some.h5", bb.load_dataset(few))
        assert written.rows == 12
    for name, n_rows in (("all.h5", 36), ("some.h5", 12)):
        with CacheFolder(tmp_path / name[:3], create=True) as folder:
            assert import_from(folder, tmp_path / name).rows == n_rows
    shutil.copytree(cache / "networks", tmp_path / "all" / "networks")
    imported = extract(few, tmp_path / "all", views=2)
    assert counts(imported.report) == (12, 0, 36, 0)
    np.testing.assert_array_equal(imported.view_features(), table.view_features())
    with CacheFolder(tmp_path / "copy", create=True) as folder:
        assert import_from(folder, cache).shards == 1
        assert len(folder.open(table.report.fingerprint, "float32")) == 36
    gone.unlink()
    with CacheFolder(cache) as folder:
        (planned,) = prune(folder, None, do=True).recipes
        assert planned["rows_removed"] == 3
    assert counts(extract(few, cache, views=2).report) == (11, 0, 33, 0)


KILLED = """
import os, signal, sys
import bottlebank as bb
from bottlebank.extraction import ledger

kept = ledger.Ledger.keep
def keep(self, images):
    kept(self, images)
    if len(self.extracted) > 30:
        os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.keep = keep
if __name__ == "__main__":
    bb.extract(
        sys.argv[1], "random", cache=sys.argv[2], engine="openvino", precision="float32",
        views=4, commit_every=7,
    )
"""


def test_a_run_that_is_killed_loses_the_open_shard_at_most(few, cache, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run([sys.executable, script, few, cache], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    table = extract(few, cache, views=4)
    assert 60 - 30 <= table.report.rows_extracted + 6 < 60
    assert table.report.rows == 60
    assert len(rows_of(table)) == 60


def test_progress_and_speed_count_images(few, cache, caplog, monkeypatch):
    done = []
    from bottlebank.progress import Progress

    real = Progress.update

    def update(bar, n=1):
        done.append(n)
        real(bar, n)

    monkeypatch.setattr(Progress, "update", update)
    with caplog.at_level(logging.INFO):
        extract(few, cache, views=4)
    assert sum(done) == 12


def test_what_is_asked_for_is_checked_before_anything_is_read(cache):
    with pytest.raises(UsageError, match="at most 1 of the rule flip"):
        extract("nowhere", cache, views=2, view_rule="flip")
    assert set(RULES) == {"mixed", "flip", "unflipped"}
