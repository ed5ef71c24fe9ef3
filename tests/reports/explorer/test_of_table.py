"""The points of a table: labels, predictions, nearest images, links to the originals."""

import os
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.reports.explorer import nearest as nearest_module
from bottlebank.reports.explorer.nearest import nearest_of
from bottlebank.reports.explorer.of_table import _below_one_folder, _links, points_of
from bottlebank.training.judged import judge


def test_points_are_those_of_the_table(table, tmp_path):
    # Two images without a label, and one with a label of its own.
    labels = table.labels.astype(object)
    labels[:3] = ["", "", "only here"]
    table = table.with_labels(labels.astype(str))
    places = np.random.default_rng(0).normal(size=(len(table), 2))
    scores = {table.contents[5]: 0.25, bytes(32): 1.0}
    points = points_of(table, places, tmp_path / "map.html", scores=scores, progress=False)
    names = np.array([*points.classes, ""])
    assert np.array_equal(names[points.labels], table.labels)
    judged = judge(table, progress=False)
    assert np.array_equal(names[points.predicted.codes], judged.predicted)
    assert np.allclose(points.predicted.confidence, judged.confidence)
    assert np.allclose(points.predicted.top_shares[:, 0], judged.confidence)
    assert points.predicted.unknown is None
    assert points.predicted.in_words == judged.in_words
    assert np.array_equal(points.predicted.fair, judged.fair)
    assert [points.root + path for path in points.paths] == list(table.paths)
    assert [key.tobytes() for key in points.keys] == table.contents
    assert points.splits is None
    assert np.flatnonzero(~np.isnan(points.score)).tolist() == [5]

    one = table.with_labels(np.full(len(table), "one class"))
    points = points_of(one, places, tmp_path / "map.html", progress=False)
    assert points.predicted is None
    assert points.score is None
    none = points_of(table.with_labels(np.full(len(table), "")), places, tmp_path / "m.html")
    assert none.predicted is None
    assert none.classes == []
    assert (none.labels == -1).all()


@pytest.mark.slow
def test_a_page_of_a_table_from_python(table, trained, tmp_path):
    drawn = bb.plot(table, tmp_path / "new" / "map.html", head=trained, thumbnail_budget=0)
    text = drawn.path.read_text()
    assert "sheet-0" not in text.split("<script>")[0]
    assert drawn._repr_png_() is None
    assert bb.plot(table, drawn.path).path == drawn.path  # a page of ours is replaced
    assert 'id="sheet-0"' in drawn.path.read_text()
    for wrong in (-1, float("nan"), "much"):
        with pytest.raises(bb.BottlebankError, match="thumbnail_budget"):
            bb.plot(table, drawn.path, thumbnail_budget=wrong)
    other = tmp_path / "other.html"
    other.write_text("<!doctype html><title>mine</title>")
    with pytest.raises(bb.BottlebankError, match="is not an explorer of bottlebank"):
        bb.plot(table, other)
    foreign = replace(trained.head, recipe={**trained.head.recipe, "width": 3})
    with pytest.raises(bb.BottlebankError):
        bb.plot(table, drawn.path, head=foreign)


@pytest.mark.parametrize("n", [2, 3, 12, 300])
def test_the_nearest_are_those_of_all_pairs(n, monkeypatch):
    features = np.random.default_rng(n).normal(size=(n, 20)).astype(np.float32)
    features[0] = 0  # a row without a direction
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    alike = units @ units.T
    np.fill_diagonal(alike, -np.inf)
    wanted = np.sort(alike, axis=1)[:, ::-1][:, : min(10, n - 1)]
    monkeypatch.setattr(nearest_module, "_CELLS", 7 * n)  # several blocks
    found = nearest_of(features, progress=False)
    assert np.allclose(found.cosines, wanted, atol=1e-5)
    assert np.allclose(np.take_along_axis(alike, found.rows, axis=1), wanted, atol=1e-5)


def test_candidates_find_nearly_all_of_the_nearest(monkeypatch):
    random = np.random.default_rng(3)
    directions = random.normal(size=(30, 100)) * np.linspace(3, 0.1, 30)[:, None]
    features = (random.normal(size=(800, 30)) @ directions).astype(np.float32)
    features += random.normal(size=features.shape).astype(np.float32)
    exact = nearest_of(features, progress=False)
    monkeypatch.setattr(nearest_module, "_MOST_EXACT", 100)
    monkeypatch.setattr(nearest_module, "_CELLS", 300 * 800)
    found = nearest_of(features, progress=False)
    hits = [len(set(a) & set(b)) for a, b in zip(exact.rows, found.rows, strict=True)]
    assert np.mean(hits) > 9.9
    monkeypatch.setattr(nearest_module, "MOST_IMAGES", 100)
    assert nearest_of(features, progress=False) is None
    assert nearest_of(features[:1], progress=False) is None


def test_links_lead_to_the_images(tmp_path, monkeypatch):
    names = ["a b.jpg", "100%.jpg", "#1?.jpg", "帽子.jpg", os.fsdecode(b"\xff\xe9.jpg"), "c:x.jpg"]
    folder = tmp_path / "photos é" / "hat's"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name, errors="surrogateescape")
    (tmp_path / "maps").mkdir()
    monkeypatch.chdir(tmp_path)
    for base in (str(folder), "photos é/hat's"):
        paths = [f"{base}/{name}" for name in names]
        for output in (tmp_path / "map.html", tmp_path / "maps" / "map.html"):
            root, below = _below_one_folder(paths)
            link, odd = _links(root, below, output)
            assert list(odd) == [4]
            assert link.isascii()
            for row, path in enumerate(below):
                end = os.fsencode(path) if row not in odd else unquote_to_bytes(odd[row])
                reached = os.path.join(os.fsencode(output.parent), unquote_to_bytes(link) + end)
                assert os.path.samefile(reached, paths[row])
    assert _below_one_folder(["/a/x.jpg", "/b/y.jpg"]) == ("/", ["a/x.jpg", "b/y.jpg"])
    assert _below_one_folder(["x.jpg", "xy.jpg"]) == ("", ["x.jpg", "xy.jpg"])
    assert _below_one_folder(["a/x.jpg"]) == ("a/", ["x.jpg"])
