"""The page as a file: its policy, its parts, what names cannot do to it."""

import base64
import dataclasses
import gzip
import hashlib
import html.parser
import json
import re

import numpy as np
import pytest

from bottlebank.errors import ParameterError, UsageError
from bottlebank.reports.explorer import page as page_module
from bottlebank.reports.explorer import write_explorer
from bottlebank.reports.explorer.page import SCRIPTS
from bottlebank.reports.explorer.points import Points
from bottlebank.reports.output_paths import EXPLORER, require_output

TITLE = "</title><script>alert(1)</script> {{script}} 帽子"


class Elements(html.parser.HTMLParser):
    """Scripts and styles of a page, as a browser finds them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found, self.title, self.policy = [], "", ""
        self._inside = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert not any(name.startswith("on") or name in ("src", "href") for name in given)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag in ("script", "style", "title"):
            self._inside = tag
            self.found.append((tag, given.get("type", ""), given.get("id", ""), ""))

    def handle_data(self, data):
        if self._inside:
            self.found[-1] = (*self.found[-1][:3], self.found[-1][3] + data)

    def handle_endtag(self, tag):
        self._inside = None


def parts_in(path):
    elements = Elements(path.read_text(encoding="utf-8"))
    return elements, {
        name.removeprefix("part-"): gzip.decompress(base64.b64decode(text))
        for tag, kind, name, text in elements.found
        if kind == "text/plain" and name.startswith("part-")
    }


def test_a_page_has_the_name_of_its_images_and_their_labels(points, tmp_path):
    def name(**changes):
        changed = dataclasses.replace(points, **changes)
        [path] = write_explorer(changed, tmp_path / "map.html", title="t")
        return json.loads(parts_in(path)[1]["about"])["name"]

    labels = np.where(np.arange(9) == 4, -1, points.labels)
    renamed = [*points.classes[:2], "hats"]
    given = [{}, {"labels": labels}, {"classes": renamed}, {"keys": points.keys[::-1]}]
    assert len({name(**changes) for changes in given}) == 4
    assert name(places=points.places * 2, predicted=None, splits=None) == name()
    # A class that only a head has, in front of the others.
    assert name(classes=["!", *points.classes], labels=points.labels + 1) == name()


def test_the_policy_allows_the_one_script_and_the_one_style(points, tmp_path):
    [path] = write_explorer(points, tmp_path / "map.html", title=TITLE)
    elements, _ = parts_in(path)
    assert require_output(path, EXPLORER) == path
    scripts = [text for tag, kind, _, text in elements.found if tag == "script" and not kind]
    styles = [text for tag, _, _, text in elements.found if tag == "style"]
    assert [text for tag, *_, text in elements.found if tag == "title"] == [TITLE]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for [text] in (scripts, styles)
    ]
    assert elements.policy == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; "
        f"img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    for name in SCRIPTS:
        text = (page_module._STATIC / f"{name}.js").read_text()
        assert text in scripts[0]
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
    assert set(SCRIPTS) == {path.stem for path in page_module._STATIC.glob("*.js")}


def test_every_column_is_read_back(points, sprites, tmp_path):
    [path] = write_explorer(points, tmp_path / "map.html", title="t", caption="c", sprites=sprites)
    elements, parts = parts_in(path)
    about = json.loads(parts["about"])
    assert about["n"] == 9
    assert about["classes"] == points.classes
    assert about["splits"] == ["test", "train"]
    assert parts["paths"].decode().split("\0") == points.paths
    assert np.array_equal(np.frombuffer(parts["keys"], "u1").reshape(-1, 32), points.keys)
    assert np.array_equal(np.frombuffer(parts["labels"], "<u2"), points.labels)
    assert np.frombuffer(parts["splits"], "u1").tolist() == [1, 0, 1] * 3
    shares = np.frombuffer(parts["confidence"], "<u2") / 65535
    assert np.allclose(shares, points.predicted.confidence, atol=1e-5)
    assert np.array_equal(np.frombuffer(parts["predicted"], "<u2"), points.predicted.codes)
    assert np.frombuffer(parts["unknown"], "u1").tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert np.array_equal(
        np.frombuffer(parts["score"], "<f4"), points.score.astype("f4"), equal_nan=True
    )
    x, y = np.frombuffer(parts["places"], "<u2").reshape(2, 9).astype(int)
    assert x.tolist() == [0, 32768, 65535] * 3
    assert y.tolist() == [0] * 3 + [32768] * 3 + [65535] * 3
    sheets = [text for *_, name, text in elements.found if name.startswith("sheet-")]
    assert [base64.b64decode(text) for text in sheets] == sprites.sheets


def test_odd_tables_have_a_page(tmp_path):
    for n in (1, 2, 3):
        for n_labels in (0, 1, n):
            labels = np.where(np.arange(n) < n_labels, np.arange(n), -1)
            points = Points(
                places=np.zeros((n, 2)),
                classes=[f"class {label}" for label in range(n)],
                labels=labels,
                paths=[f"{row}.jpg" for row in range(n)],
                keys=np.zeros((n, 32), np.uint8),
            )
            [path] = write_explorer(points, tmp_path / "map.html", title="t")
            _, parts = parts_in(path)
            about = json.loads(parts["about"])
            assert about["twins"] == ([list(range(n))] if n > 1 else [])
            codes = np.frombuffer(parts["labels"], "<u2").astype(int)
            assert np.array_equal(np.where(codes == 0xFFFF, -1, codes), labels)
            assert (np.frombuffer(parts["places"], "<u2") == 32768).all()


def test_columns_that_do_not_belong_together(points):
    with pytest.raises(ParameterError, match="labels has 2 rows and there are 9 paths"):
        dataclasses.replace(points, labels=np.zeros(2, int))
    with pytest.raises(ParameterError, match="places must be finite"):
        dataclasses.replace(points, places=np.full((9, 2), np.nan))
    with pytest.raises(ParameterError, match="classes has 32,001 names; an explorer shows 32,000"):
        dataclasses.replace(points, classes=["x"] * 32_001)


def test_sheets_of_very_many_images_lie_beside_the_page(points, sprites, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_IN_PAGE", 8)
    output = tmp_path / "map.html"
    for _ in range(2):  # what is there is replaced
        page, folder = write_explorer(points, output, title="t", sprites=sprites)
        assert [path.name for path in folder.iterdir()] == ["0.webp"]
        assert (folder / "0.webp").read_bytes() == sprites.sheets[0]
        elements, parts = parts_in(page)
        assert json.loads(parts["about"])["thumbnails"]["folder"] == "map-thumbnails"
        assert not [name for *_, name, _ in elements.found if name.startswith("sheet-")]
        (folder / "17.webp").touch()
    (folder / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="where .*holiday.jpg is in the way"):
        write_explorer(points, output, title="t", sprites=sprites)
    assert (folder / "holiday.jpg").exists()
