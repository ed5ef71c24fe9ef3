"""The page in Chromium, opened from disk without a network."""

import csv
import io

import numpy as np
import pytest

from bottlebank.datasets.labels_file import read_labels
from bottlebank.reports.explorer import write_explorer

from .conftest import colour_of


@pytest.fixture
def page(points, sprites, tmp_path):
    [path] = write_explorer(points, tmp_path / "map.html", title="Nine", sprites=sprites)
    return path


def place(row):
    """Of an image of `points` on the map, 0 to 1."""
    return row % 3 / 2, row // 3 / 2


def drag(page, corners):
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()


def lasso(seen, corners):
    """Draw around places of the map."""
    seen.page.get_by_role("button", name="Lasso").click()
    drag(seen.page, [seen.at(*corner) for corner in corners])


def shape_around(row):
    x, y = place(row)
    return [(x - 0.1, y - 0.1), (x + 0.1, y - 0.1), (x + 0.1, y + 0.1), (x - 0.1, y + 0.1)]


def download(seen, tmp_path):
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="labels.csv").click()
    assert waiting.value.suggested_filename == "labels.csv"
    path = tmp_path / "labels.csv"
    waiting.value.save_as(path)
    return path


def test_pointing_selecting_labelling(seen, page, points, tmp_path):
    here = seen(page)
    here.page.get_by_label("pictures close up").uncheck()
    for row in (0, 5, 8):
        here.page.mouse.move(*here.at(*place(row)))
        here.page.wait_for_selector(f"#tip-picture[data-painted='{row}']")
        assert np.abs(np.subtract(here.pixel("#tip-picture"), colour_of(row))).max() < 12
        assert here.words("#tip-name") == points.paths[row]
        assert here.words("#tip-label") == points.classes[points.labels[row]]
    assert here.words("#tip-prediction") == "predicted <script>alert(1)</script>, 20 %"

    lasso(here, shape_around(5))
    assert here.words("#panel-selection h2") == "1 image selected"
    here.page.locator("#selection-label").fill("=new, class")
    here.page.keyboard.press("Enter")
    found = read_labels(download(here, tmp_path)).labels
    assert found == {points.keys[5].tobytes(): "=new, class"}
    assert here.complaints == []
    assert here.requests == [page.as_uri()]


@pytest.mark.slow
def test_labels_file_says_what_changed_and_undo_takes_it_back(seen, page, points, tmp_path):
    here = seen(page)
    lasso(here, [(-0.03, -0.03), (1.1, -0.03), (1.1, 0.1), (-0.03, 0.1)])
    assert here.words("#panel-selection h2") == "3 images selected"
    here.page.locator("#panel-selection").get_by_role("button", name="Leave out").click()
    lasso(here, [(-0.03, 0.9), (0.6, 0.9), (0.6, 1.03), (-0.03, 1.03)])
    here.page.locator("#selection-label").fill(points.classes[1])
    here.page.keyboard.press("Enter")
    text = download(here, tmp_path).read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    wanted = [(row, "") for row in range(3)] + [(6, "'=1+1"), (7, "'=1+1")]
    assert rows[0] == ["key", "path", "label"]
    assert rows[1:] == [
        [points.keys[row].tobytes().hex(), points.root + points.paths[row], label]
        for row, label in wanted
    ]
    here.page.keyboard.press("Control+z")
    assert set(read_labels(download(here, tmp_path)).labels.values()) == {""}
    here.page.get_by_role("button", name="Undo").click()
    assert here.page.get_by_role("button", name="labels.csv").is_disabled()
    here.page.get_by_role("button", name="Redo").click()
    here.page.get_by_role("button", name="Redo").click()
    assert download(here, tmp_path).read_text(encoding="utf-8") == text
    assert here.complaints == []
