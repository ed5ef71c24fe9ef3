"""The page in Chromium, opened from disk without a network."""

import csv
import dataclasses
import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from PIL import Image

import bottlebank as bb
from bottlebank.cli import main
from bottlebank.datasets.labels_file import Decision, read_labels
from bottlebank.reports.explorer import write_explorer
from bottlebank.reports.explorer.points import Explained, Nearest, RowMap, RowMaps

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

    here.page.get_by_role("tab", name="Selection").click()
    assert here.words("#panel-selection h2") == "Nothing is selected"
    assert not here.page.locator("#selection-label").is_visible()
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


@pytest.mark.slow
def test_a_download_has_what_was_decided_before(seen, points, tmp_path):
    keys = [key.tobytes() for key in points.keys]
    earlier = [
        Decision(keys[0].hex(), "a", "before"),
        Decision(keys[1].hex(), "b", "before"),
        Decision("f" * 64, "left out", ""),
    ]
    with_earlier = dataclasses.replace(points, earlier=earlier)
    [path] = write_explorer(with_earlier, tmp_path / "map.html", title="t")
    here = seen(path)
    here.page.mouse.click(*here.at(*place(0)))
    here.page.locator("#image-label").fill("now")
    here.page.keyboard.press("Enter")
    for _ in range(2):
        assert read_labels(download(here, tmp_path)).labels == {
            keys[0]: "now",
            keys[1]: "before",
            b"\xff" * 32: "",
        }
    assert here.words("#spoken") == "labels.csv: 1 label, with what was decided before"
    assert here.complaints == []


@pytest.mark.slow
def test_a_lasso_has_exactly_the_points_inside(seen, tmp_path, points_of_a_cloud):
    cloud = points_of_a_cloud(3000)
    [path] = write_explorer(cloud, tmp_path / "cloud.html", title="Cloud")
    here = seen(path)
    corners = [(0.2, 0.1), (0.8, 0.3), (0.55, 0.5), (0.9, 0.85), (0.3, 0.7), (0.45, 0.4)]
    lasso(here, corners)
    scaled = cloud.places - cloud.places.min(axis=0)
    scaled = scaled / np.ptp(cloud.places, axis=0).max() * [1, -1] + [0, 1]
    inside = Polygon(corners).contains_points(scaled)
    near = Polygon(corners).contains_points(scaled, radius=0.004)
    near ^= Polygon(corners).contains_points(scaled, radius=-0.004)
    here.page.get_by_label("Label of the selection").fill("in")
    here.page.get_by_label("Label of the selection").press("Enter")
    found = read_labels(download(here, tmp_path)).labels
    selected = np.array([key.tobytes() in found for key in cloud.keys])
    assert 500 < inside.sum() < 2500
    assert (selected == inside)[~near].all()  # pixels and 16-bit places round at the edge
    assert near.sum() < 100


@pytest.mark.slow
def test_filters_search_and_the_address(seen, page, points):
    here = seen(page)
    count = "#panel-show .count"
    assert here.words(count) == "9 images shown, 2 predicted wrong"
    here.page.get_by_label("Predictions").select_option("wrong")
    assert here.words(count).startswith("2 of 9 images shown")
    here.page.get_by_role("button", name="Show all").click()
    here.page.get_by_label("Confidence, to").fill("0.5")
    here.page.get_by_label("Confidence, to").press("Enter")
    assert here.words(count).startswith("4 of 9")
    here.page.get_by_label("Unknown").select_option("unknown")
    assert here.words(count).startswith("0 of 9")
    here.page.get_by_role("button", name="Show all").click()
    here.page.get_by_label("Score, from").fill("0.35")
    here.page.get_by_label("Score, from").press("Enter")
    assert here.words(count).startswith("5 of 9")
    here.page.get_by_role("button", name="Show all").click()
    here.page.get_by_label("test", exact=True).uncheck()
    assert here.words(count).startswith("6 of 9")
    here.page.get_by_role("button", name="Only =1+1").click()
    assert here.words(count).startswith("2 of 9")
    here.page.get_by_label("Colour by").select_option("split")
    here.page.get_by_label("Colour of =1+1").fill("#123456")
    here.page.get_by_label("Search").fill("帽")
    here.page.wait_for_function(
        "() => document.querySelector('.count').textContent.startsWith('1 of 9')"
    )
    here.page.wait_for_function("() => location.hash.includes('search')")

    again = seen(page, here.page.evaluate("location.hash"))
    assert again.words(count).startswith("1 of 9")
    assert again.page.get_by_label("Search").input_value() == "帽"
    assert again.page.get_by_label("Colour by").input_value() == "split"
    assert again.page.get_by_label("Colour of =1+1").input_value() == "#123456"
    assert not again.page.get_by_label("test", exact=True).is_checked()
    broken = "#at=x,1&colour=none&hide=-3&hide=x&image=99&confidence=2,1&class-colour=1,red&mode=9"
    assert seen(page, broken).words(count) == "9 images shown, 2 predicted wrong"
    for each in (here, again):
        assert each.complaints == []
        assert each.requests == [page.as_uri()]


@pytest.mark.slow
def test_what_a_head_has_learned_is_in_no_share(seen, points, tmp_path):
    # Three it had learned, which it has right; of the others the last two are wrong.
    predicted = points.predicted._replace(fair=np.array([0, 1, 1, 0, 1, 1, 0, 1, 1], bool))
    [page] = write_explorer(replace(points, predicted=predicted), tmp_path / "map.html", title="t")
    here = seen(page)
    count = "#panel-show .count"
    assert here.words(count) == "9 images shown; of 6 not seen in training, 2 predicted wrong"
    shares = here.page.locator(".classes li:visible .number:nth-of-type(2)")
    assert shares.all_text_contents() == ["100 %", "100 %", "0 %"]
    here.page.get_by_role("button", name="Only =1+1").click()
    assert here.words(count) == "3 of 9 images shown; of 2 not seen in training, 0 predicted wrong"
    none = points.predicted._replace(fair=np.zeros(9, bool))
    write_explorer(replace(points, predicted=none), page, title="t")
    unknown = seen(page)
    assert unknown.words(count) == "9 images shown"
    shares = unknown.page.locator(".classes li:visible .number:nth-of-type(2)")
    assert set(shares.all_text_contents()) == {""}
    assert here.complaints + unknown.complaints == []


@pytest.mark.slow
def test_everything_by_keyboard(seen, page, points, tmp_path):
    here = seen(page)
    here.page.locator("#map").focus()
    keys = here.page.keyboard
    for key, row in (
        *(("ArrowUp", 4), ("ArrowRight", 5), ("ArrowUp", 2), ("ArrowLeft", 1)),
        *(("ArrowLeft", 0), ("ArrowLeft", 0), ("ArrowDown", 3)),
    ):
        keys.press(key)
        assert here.words("#spoken").startswith(points.paths[row].rsplit("/")[-1] + ": "), key
    keys.press("Enter")
    assert here.words("#panel-image h2") == points.paths[3]
    here.page.wait_for_selector(".picture[data-painted='3']")
    assert np.abs(np.subtract(here.pixel(".picture"), colour_of(3))).max() < 12
    keys.press("Space")
    assert here.words("#spoken") == "1 image selected"
    keys.press("l")
    keys.type("by keyboard")
    keys.press("Enter")
    assert here.words("#spoken") == "1 image: by keyboard"
    here.page.locator("#map").focus()
    keys.press("1")
    assert here.words("#spoken") == f"1 image: {points.classes[0]}"
    keys.press("z")
    keys.press("/")
    keys.type("b c")
    here.page.locator("#map").focus()
    here.page.wait_for_function(
        "() => document.querySelector('.count').textContent.startsWith('1 of 9')"
    )
    keys.press("a")
    keys.press("x")
    with here.page.expect_download() as waiting:
        keys.press("d")
    waiting.value.save_as(tmp_path / "labels.csv")
    assert read_labels(tmp_path / "labels.csv").labels == {
        points.keys[3].tobytes(): "by keyboard",
        points.keys[1].tobytes(): "",
    }
    keys.press("?")
    assert here.page.locator("#help").is_visible()
    for _ in range(3):  # the help, the image, the selection
        keys.press("Escape")
    assert here.words("#spoken") == "Nothing selected"
    assert here.complaints == []


@pytest.mark.slow
def test_every_control_is_reached_by_tab_and_shows_it(seen, page):
    here = seen(page)
    names = set()
    for _ in range(60):
        here.page.keyboard.press("Tab")
        name, outline = here.page.evaluate(
            "() => { const at = document.activeElement; return at === document.body ? ['', ''] : ["
            "at.getAttribute('aria-label') || at.textContent || at.id, "
            "getComputedStyle(at).outlineStyle]; }"
        )
        names.add(name.strip())
        assert outline != "none", name
    wanted = {"Search paths and labels", "Lasso", "Closer", "Fit", "Keys", "Map of the images"}
    assert wanted <= names


@pytest.mark.slow
def test_what_is_pressed_keeps_the_focus(seen, points, sprites, tmp_path):
    others = np.array([[(row + step) % 9 for step in (1, 2, 5)] for row in range(9)])
    points = replace(points, nearest=Nearest(others, np.full((9, 3), 0.5)))
    [page] = write_explorer(points, tmp_path / "map.html", title="Nine", sprites=sprites)
    here = seen(page)
    keys = here.page.keyboard

    def focused():
        return here.page.evaluate(
            "async () => { await new Promise(requestAnimationFrame); "
            "await new Promise(requestAnimationFrame); const at = document.activeElement; "
            "return at.getAttribute('aria-label') || at.id || at.title || at.textContent.trim() "
            "|| at.parentElement.textContent.trim(); }"
        )

    def press(locator, key):
        locator.focus()
        before = focused()
        keys.press(key)
        return before, focused()

    show = here.page.locator("#panel-show")
    for name in ("=1+1", "test", "changed here alone", "pictures close up"):
        box = show.get_by_label(name, exact=True)
        was = box.is_checked()
        before, after = press(box, "Space")
        assert (before, after) == (name, name)
        assert box.is_checked() != was
        keys.press("Space")
        assert box.is_checked() == was
    only = show.get_by_role("button", name="Only =1+1")
    assert press(only, "Enter") == ("Only =1+1",) * 2
    assert not show.get_by_label(points.classes[0], exact=True).is_checked()
    assert press(only, "Enter") == ("Only =1+1",) * 2
    assert show.get_by_label(points.classes[0], exact=True).is_checked()
    assert press(show.get_by_role("button", name="Show all"), "Enter") == ("Show all",) * 2
    colours = show.get_by_label("Colour by")
    colours.focus()
    colours.select_option("split")
    assert focused() == "filter-colour-by"

    # What is listed anew: the same image has the focus, or the panel where it is not listed.
    here.page.locator("#map").focus()
    keys.press("a")
    tile = here.page.locator("#panel-selection .tile").nth(4)
    assert press(tile, "x") == (points.paths[4], points.paths[4])
    assert press(tile, "Enter") == (points.paths[4], "panel-image")
    near = here.page.locator("#panel-image .tile").nth(1)
    assert press(near, "1") == (points.paths[6], points.paths[6])
    assert press(near, "Enter") == (points.paths[6], "panel-image")
    here.page.get_by_role("tab", name="Selection").click()
    clear = here.page.get_by_role("button", name="End the selection")
    assert press(clear, "Enter") == ("End the selection", "Select all shown")
    assert press(here.page.get_by_role("button", name="Begin again"), "Enter")[1] == "Undo"
    assert [press(here.page.locator("#undo"), "Enter")[1] for _ in range(3)][-1] == "Redo"
    assert here.complaints == []


@pytest.mark.slow
def test_by_touch_on_a_phone(seen, page, points, tmp_path):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    here = seen(page, device_scale_factor=2, **phone)
    here.page.touchscreen.tap(*here.at(*place(4)))
    assert here.words("#panel-image h2") == points.paths[4]
    width = here.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    devtools = here.context.new_cdp_session(here.page)

    def touch(kind, *fingers):
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    # Two fingers that part bring what is between them closer; one finger moves it.
    x, y = here.at(0.5, 0.5)
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    here.page.wait_for_function("() => location.hash.includes('at=')")
    place_seen = here.page.evaluate("location.hash").split("at=")[1].split("&")[0]
    times = float(place_seen.split("%2C")[2])
    assert abs(times - 3) < 0.1
    here.page.get_by_role("button", name="Fit").tap()
    here.page.get_by_role("button", name="Lasso").tap()
    corners = [here.at(*corner) for corner in shape_around(0)]
    touch("touchStart", corners[0])
    for (x0, y0), (x1, y1) in itertools.pairwise([*corners, corners[0]]):
        for step in range(1, 6):
            touch("touchMove", (x0 + (x1 - x0) * step / 5, y0 + (y1 - y0) * step / 5))
    touch("touchEnd")
    assert here.words("#panel-selection h2") == "1 image selected"
    here.page.get_by_label("Label of the selection").fill("touched")
    here.page.get_by_label("Label of the selection").press("Enter")
    assert read_labels(download(here, tmp_path)).labels == {points.keys[0].tobytes(): "touched"}
    assert here.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_in_the_way_of_people_with_disabilities(seen, page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    here = seen(page, color_scheme=scheme)
    lasso(here, [(-0.03, -0.03), (1.03, -0.03), (1.03, 1.03), (-0.03, 1.03)])
    for tab in ("Show", "Image", "Selection"):
        here.page.get_by_role("tab", name=tab).click()
        if tab == "Show":
            here.page.get_by_label("Colour by").select_option("score")
        found = axe.Axe().run(here.page)
        assert found.violations_count == 0, found.generate_report()
    here.page.get_by_role("button", name="Keys").click()
    found = axe.Axe().run(here.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_labels_outlive_the_page(seen, page, points, tmp_path):
    here = seen(page)
    assert here.page.locator("#kept").is_hidden()
    lasso(here, shape_around(4))
    here.page.locator("#panel-selection").get_by_role("button", name="Leave out").click()
    assert here.words("#kept-words") == "1 label changed. This browser keeps it."
    here.page.reload()
    here.page.wait_for_selector("body[data-ready]")
    assert here.words("#spoken") == "1 label of your last visit restored"
    assert here.page.locator("#kept-words").is_visible()
    kept = "1 label of your last visit restored. This browser keeps it."
    assert here.words("#kept-words") == kept
    assert read_labels(download(here, tmp_path)).labels == {points.keys[4].tobytes(): ""}

    here.page.get_by_role("button", name="Begin again").click()
    assert here.words("#spoken") == "1 label as before; Undo brings it back"
    assert here.page.locator("#kept").is_hidden()
    here.page.reload()
    here.page.wait_for_selector("body[data-ready]")
    assert here.page.locator("#kept").is_hidden()
    assert here.page.get_by_role("button", name="labels.csv").is_disabled()
    assert here.complaints == []


@pytest.mark.slow
def test_windows_of_one_page_share_labels_and_a_page_of_other_labels_has_none(
    seen, page, points, sprites, tmp_path
):
    here = seen(page)
    there = here.context.new_page()
    there.goto(page.as_uri())
    there.wait_for_selector("body[data-ready]")
    lasso(here, shape_around(4))
    here.page.locator("#panel-selection").get_by_role("button", name="Leave out").click()
    there.wait_for_function("() => document.querySelector('#n-changed').textContent === ' (1)'")
    assert there.locator("#spoken").text_content() == "1 label changed in another window"
    there.locator("#map").focus()
    there.keyboard.press("ArrowUp")
    there.keyboard.press("ArrowUp")
    there.keyboard.press("3")
    here.page.wait_for_function("() => document.querySelector('#n-changed').textContent === ' (2)'")
    there.close()
    changed = {points.keys[4].tobytes(): "", points.keys[1].tobytes(): points.classes[2]}
    assert read_labels(download(here, tmp_path)).labels == changed

    # Labels that the page is made from are not those of an earlier one.
    labels = points.labels.copy()
    labels[1] = 2
    write_explorer(replace(points, labels=labels), page, title="Nine", sprites=sprites)
    here.page.goto("about:blank")
    here.page.goto(page.as_uri())
    here.page.wait_for_selector("body[data-ready]")
    assert here.page.locator("#kept").is_hidden()
    assert here.complaints == []


@pytest.mark.slow
def test_sheets_beside_the_page_are_shown(seen, points, sprites, tmp_path, monkeypatch):
    monkeypatch.setattr("bottlebank.reports.explorer.page.MOST_IN_PAGE", 8)
    output = tmp_path / "a map, 帽 #1%.html"
    path, folder = write_explorer(points, output, title="t", sprites=sprites)
    here = seen(path)
    here.page.mouse.click(*here.at(*place(5)))
    here.page.wait_for_selector(".picture[data-painted='5']")
    shot = here.page.locator("canvas.picture").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    assert np.abs(middle.astype(int) - colour_of(5)).max() < 12
    assert set(here.requests) == {path.as_uri(), (folder / "0.webp").as_uri()}
    assert here.complaints == []


@pytest.mark.slow
def test_both_ways_to_draw_show_the_same(seen, tmp_path, points_of_a_cloud):
    [path] = write_explorer(points_of_a_cloud(400), tmp_path / "cloud.html", title="Cloud")
    shots = []
    for way in ("canvas", "webgl"):
        here = seen(path, f"#draw={way}")
        if here.page.locator("#map").get_attribute("data-drawer") != way:
            pytest.skip("this Chromium draws no WebGL")
        here.page.mouse.move(5, 5)
        shot = here.page.locator("#map").screenshot()
        shots.append(np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int))
        # An emulated GPU remarks on its own speed.
        assert [words for words in here.complaints if "GPU stall" not in words] == []
    far = np.abs(shots[0] - shots[1]).max(axis=2) > 90
    drawn = (shots[0] < 250).any(axis=2)
    assert drawn.mean() > 0.01
    assert far.sum() < 0.1 * drawn.sum()  # the edges of points


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [1, 200])
@pytest.mark.parametrize("n", [1, 2, 500])
def test_odd_tables_open(seen, tmp_path, points_of_a_cloud, n_classes, n):
    cloud = points_of_a_cloud(n, n_classes)
    [path] = write_explorer(cloud, tmp_path / "map.html", title="<script>alert(1)</script>")
    here = seen(path)
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("Enter")
    here.page.keyboard.press("a")
    assert here.words("#panel-selection h2").startswith(f"{n} image")
    assert here.words("#title") == "<script>alert(1)</script>"
    assert here.complaints == []


@pytest.mark.slow
def test_labels_from_the_page_train_a_head(seen, photos, cache, tmp_path, capsys):
    extraction = ["--extractor", "random", "--cache", str(cache)]
    page = str(tmp_path / "map.html")
    assert main(["plot", str(photos), "--output", page, *extraction]) == 0
    assert "60 images, PCA" in capsys.readouterr().out
    here = seen(Path(page))
    assert here.words("#panel-show .count").startswith("60 images shown")
    here.page.get_by_role("button", name="Only disc").click()
    here.page.locator("#map").focus()
    here.page.keyboard.press("a")
    here.page.get_by_label("Label of the selection").fill("round things")
    here.page.get_by_label("Label of the selection").press("Enter")
    labels = str(download(here, tmp_path))
    # An original opens where the link leads.
    here.page.get_by_role("tab", name="Show").click()
    here.page.get_by_role("button", name="Show all").click()
    here.page.locator("#map").focus()
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("Enter")
    address = here.page.get_by_role("link", name="Open the original").evaluate("(at) => at.href")
    path = here.words("#panel-image .path")
    assert address == Path(path).as_uri()
    assert Path(path).is_file()
    assert here.complaints == []

    head = str(tmp_path / "head.h5")
    arguments = [str(photos), "--labels", labels, "--output", head, "--json", *extraction]
    assert main(["train", *arguments]) == 0
    assert "20 labels changed" in capsys.readouterr().err
    assert list(bb.load_head(head).classes) == ["checks", "round things", "stripes"]
    # What it predicts is on the next page.
    assert main(["plot", str(photos), "--output", page, "--head", head, *extraction]) == 0
    again = seen(Path(page))
    assert again.words("#panel-show .quiet").startswith("Predicted by the head ")
    assert again.page.get_by_label("Unknown").is_visible()


@pytest.mark.slow
def test_a_mistake_shows_what_speaks_for_the_answer(seen, points, sprites, tmp_path):
    def picture(colour):
        stored = io.BytesIO()
        Image.new("RGB", (40, 20), colour).save(stored, "WEBP", lossless=True)
        return stored.getvalue()

    name = points.classes[0]
    maps = [RowMap(name, picture((200, 0, 0)), f"what speaks for {name}, most of all at 5 %")]
    maps.append(RowMap(points.classes[2], picture((0, 0, 200)), "nothing speaks for it"))
    rows = [RowMaps(7, maps), RowMaps(8, (), "no map: <b>cannot</b> be read")]
    explained = Explained(rows, 68, "by Grad-CAM (lite0, tensorflow): the brighter, the more")
    with_maps = dataclasses.replace(points, explained=explained)
    [path] = write_explorer(with_maps, tmp_path / "map.html", title="Maps", sprites=sprites)
    for scheme, viewport in (("light", (1280, 800)), ("dark", (390, 844))):
        size = {"width": viewport[0], "height": viewport[1]}
        here = seen(path, viewport=size, color_scheme=scheme)
        assert "The 2 most confident of 68 mistakes show what speaks" in here.words("#panel-show")
        here.page.get_by_role("button", name="Go through the mistakes").click()
        its = here.page.locator("#panel-image img.picture")
        assert its.get_attribute("alt") == f"{points.paths[7]}: {maps[0].in_words}"
        assert middle_of(its.screenshot()) == (200, 0, 0)
        assert not here.page.locator("#panel-image canvas.picture").is_visible()
        here.page.get_by_role("button", name=f"for {points.classes[2]}").click()
        assert middle_of(its.screenshot()) == (0, 0, 200)
        here.page.get_by_role("button", name="photograph").press("Enter")
        assert not its.is_visible()
        found = here.pixel("#panel-image canvas.picture")
        assert np.abs(np.subtract(found, colour_of(7))).max() < 12
        here.page.get_by_role("button", name="Next mistake").press("Enter")
        assert here.words(".maps p") == "no map: <b>cannot</b> be read"
        assert here.page.locator("#panel-image canvas.picture").is_visible()
        assert here.words(".maps").endswith("mistake 2 of 2›")
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        for step in ("Next mistake", None):
            results = axe.Axe().run(here.page)
            assert results.response["violations"] == [], results.generate_report()
            if step:
                here.page.get_by_role("button", name=step).click()
        here.page.get_by_role("button", name=f"for {name}").click()
        assert middle_of(its.screenshot()) == (200, 0, 0)
        here.page.mouse.click(*here.at(*place(0)))
        assert here.words("#panel-image h2") == points.paths[0]
        assert not its.is_visible(), "right answers have no maps"
        assert not here.page.locator(".maps").is_visible()
        assert here.complaints == []
        assert {url.split(":")[0] for url in here.requests} == {"file", "blob"}
        assert [url for url in here.requests if url.startswith("file")] == [path.as_uri()]


def middle_of(screenshot):
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    return image.getpixel((image.width // 2, image.height // 2))
