"""A report as people read it: with a keyboard, on a phone, in the dark, with a screen reader."""

import io
import shutil
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from bottlebank.classifier.metrics.evaluation import evaluate
from bottlebank.reports.evaluation_sections import class_section, confusion_section
from bottlebank.reports.thumbnails import as_webp
from bottlebank.viz import Section, Table, write_report
from bottlebank.viz.report import MapPicture, Mistake
from bottlebank.viz.theme import DARK, LIGHT

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SIZES = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
NAMES = ["<script>alert(1)</script>", "قبعة", "帽子", "🎩", "a long name of a class " * 4, "hat"]
COLOUR = (200, 30, 90)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Forty classes with names of all kinds, 60 mistakes, tables of words and of figures."""
    folder = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(0)
    classes = sorted([*NAMES, *(f"class {number}" for number in range(34))])
    labels = np.repeat(classes, 6)
    probabilities = random.dirichlet(np.ones(40) / 4, len(labels))
    for row, label in enumerate(labels.tolist()):
        probabilities[row, classes.index(label)] += 0.5
    found = evaluate(labels, probabilities / probabilities.sum(axis=1, keepdims=True), classes)
    picture = as_webp(np.full((60, 90, 3), COLOUR, np.uint8))
    mistakes = [
        Mistake(
            NAMES[number % 6],
            NAMES[number // 6 % 6],
            "91.4 %",
            f"test/{NAMES[number % 6].replace('/', '')}/{number}.jpg",
            "/data/",
            (folder / f"{number}.jpg").as_uri(),
            picture if number else None,
            [
                MapPicture(name, picture, f"what speaks for {name}")
                for name in (NAMES[number // 6 % 6], NAMES[number % 6])
            ]
            if 0 < number < 12
            else (),
            "no map: has changed since it was extracted" if not number else "",
        )
        for number in range(60)
    ]
    pairs = Table(
        ["image", "label", "is", "image"], [["a/b.jpg", "hat", "the same as", "c/d.jpg"]], 4
    )
    sections = [
        class_section(found),
        confusion_section(folder, "photos, test", found),
        Section("60 mistakes", "The most confident first.", mistakes=mistakes),
        Section("Contradictory labels", "The same image.", table=pairs),
    ]
    return write_report(folder, "How good is the head?", [("accuracy", "83.2 %")], sections)


@pytest.fixture
def opened(browser, report):
    """Open the report; requests and messages of the console are kept, and no others allowed."""
    contexts, found = [], []

    def open_it(size="desk", scheme="light"):
        context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: found.append(message.text))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on(
            "request",
            lambda made: None if made.url.startswith("data:") else found.append(made.url),
        )
        page.goto(report.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert set(found) == {report.as_uri()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_is_cut_off(size, scheme, opened):
    page = opened(size, scheme)
    results = axe.Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert results.response["passes"], "axe has not looked"
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size]["width"]
    levels = page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(("scheme", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_pictures_are_on_the_colour_of_the_page(scheme, theme, opened):
    page = opened("desk", scheme)
    box = page.locator(".picture img").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(box)).convert("RGB"))
    paper = tuple(bytes.fromhex(theme.paper[1:]))
    assert (pixels[2:12, 20:-20] == paper).all()
    card = page.locator(".cards li").nth(1).locator("img").first.screenshot()
    middle = np.asarray(Image.open(io.BytesIO(card)).convert("RGB"))
    assert np.abs(middle[len(middle) // 2, len(middle) // 2].astype(int) - COLOUR).max() < 10
    assert page.locator(".cards li").nth(0).locator("a").inner_text() == "cannot be read"


def test_the_keyboard_reaches_tables_and_pictures_and_moves_them(opened):
    page = opened("phone")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert reached[:2] == ["Classes: table", "Confused classes: picture"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    # Where the page's policy allows no eval, wait_for_function may be refused.
    page.evaluate(
        "new Promise(done => (function look() {"
        " document.activeElement.scrollLeft > 0 ? done() : requestAnimationFrame(look) })())"
    )
    # What a row is of has stayed where it was.
    table = page.locator(".scrolling").first.bounding_box()
    head = page.locator("tbody th").first.bounding_box()
    assert abs(table["x"] - head["x"]) < 14


def test_mistakes_of_a_class_are_chosen_by_keyboard(opened):
    page = opened("phone")
    cards = page.locator(".cards li:visible")
    assert cards.count() == 60
    first = page.get_by_role("radio", name="all 60")
    first.focus()
    labels = sorted(NAMES)
    for label in labels:
        page.keyboard.press("ArrowDown")
        assert cards.count() == 10
        words = {
            text.strip() for text in page.locator(".cards li:visible > .name").all_inner_texts()
        }
        assert " ".join(label.split()) in {" ".join(each.split()) for each in words}
    page.emulate_media(media="print")
    assert cards.count() == 60, "paper has no choice"


def test_a_click_on_a_path_selects_all_of_it(opened):
    for size in SIZES:
        page = opened(size)
        for number in range(6):
            path = page.locator(".path").nth(number)
            path.scroll_into_view_if_needed()
            path.click()
            selected = page.evaluate("getSelection().toString()")
            assert selected == f"/data/test/{NAMES[number].replace('/', '')}/{number}.jpg"


@pytest.mark.parametrize("size", SIZES)
def test_maps_stand_beside_the_photograph_and_look_like_it(size, opened):
    page = opened(size)
    card = page.locator(".explained li").nth(1)
    boxes = [each.bounding_box() for each in card.locator("figure").all()]
    assert len(boxes) == 3
    assert len({round(box["y"]) for box in boxes}) == 1
    assert min(box["width"] for box in boxes) > 100
    pictures = [each.bounding_box() for each in card.locator("img").all()]
    assert len({(round(box["width"]), round(box["height"])) for box in pictures}) == 1
    described = page.get_by_role("img", name="what speaks for قبعة")
    assert described.count() == 8, "of 6 that were taken for it, and 2 that are of it"
    first = page.locator(".explained li").nth(0)
    assert first.locator(".note").inner_text() == "no map: has changed since it was extracted"
    page.locator("label", has_text="hat").last.click()
    assert page.locator(".explained li:visible").count() == 2
