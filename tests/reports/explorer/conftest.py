"""A small table whose images have a colour each, its page, and a browser to open pages in."""

from __future__ import annotations

import hashlib
import re
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import Key
from bottlebank.reports.explorer.points import Points, Predicted
from bottlebank.reports.sprites import make_sprites

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


class Images(SimpleNamespace):
    """What `make_sprites` reads of a table."""

    paths: list[str]
    keys: list[Key]

    def __len__(self) -> int:
        return len(self.paths)


def colour_of(number: int) -> tuple[int, int, int]:
    """Far from that of every other number up to 26."""
    return 40 + 80 * (number % 3), 40 + 80 * (number // 3 % 3), 40 + 80 * (number // 9 % 3)


def images_in(folder: Path, names: list[str], side_px: int = 60) -> Images:
    """Images of one colour each, twice as wide as high where the number is odd."""
    paths, keys = [], []
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (side_px * (1 + number % 2), side_px)
        Image.new("RGB", size, colour_of(number)).save(path)
        paths.append(str(path))
        keys.append(Key(hashlib.sha256(path.read_bytes()).digest(), 0))
    return Images(paths=paths, keys=keys, recipe=SimpleNamespace(grey16="scale"))


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Nine images of names that a page has to take care of."""
    names = ["a.png", "b c.png", "</script>.png", "帽子.png", "قبعة.png", "😀.png", "<b>.png"]
    return images_in(tmp_path / "photos", [*names, "%41.png", "x'\"&.png"])


@pytest.fixture
def points(images: Images) -> Points:
    """The images in three rows of three, one class a row; the last two are predicted wrong."""
    n = len(images)
    labels = np.arange(n) // 3
    predicted = labels.copy()
    predicted[-2:] = 0
    root = images.paths[0].rsplit("/", 1)[0] + "/"
    return Points(
        places=np.array([[number % 3, -(number // 3)] for number in range(n)], float),
        classes=["<script>alert(1)</script>", "=1+1", "قبعات, 😀"],
        labels=labels,
        paths=[path.removeprefix(root) for path in images.paths],
        keys=np.array([list(key.content) for key in images.keys], np.uint8),
        root=root,
        link="./photos/",
        splits=["train", "test", "train"] * 3,
        predicted=Predicted(predicted, np.linspace(1, 0.2, n), np.arange(n) == 4),
        score=np.where(np.arange(n) == 0, np.nan, np.arange(n) / 10),
    )


@pytest.fixture
def points_of_a_cloud():
    """Makes points of the normal distribution, with nothing but what each table has."""

    def made(n: int, n_classes: int = 5) -> Points:
        random = np.random.default_rng(n)
        places = random.normal(size=(n, 2)).clip(-3.9, 3.9)
        if n > 2:
            places[1:3] = [[-4, -4], [4, 4]]  # the map is a square
        return Points(
            places=places,
            classes=[f"class {number}" for number in range(n_classes)],
            labels=random.integers(0, n_classes, n),
            paths=[f"{number}.jpg" for number in range(n)],
            keys=random.integers(0, 256, (n, 32), np.uint8),
        )

    return made


@pytest.fixture
def sprites(images: Images):
    """Their thumbnails."""
    return make_sprites(images, 1e6, progress=False)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window and without a GPU."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Seen:
    """A page that is open, and what it said and asked for beside itself."""

    def __init__(self, browser, path: Path, address: str = "", **settings) -> None:
        context = {"viewport": {"width": 1280, "height": 800}, "offline": True, **settings}
        self.context = browser.new_context(accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + address)
        self.page.wait_for_selector("body[data-ready]")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a place of the map is, from 0 to 1 on both axes."""
        box = self.page.locator("#map").bounding_box()
        n_images = int(
            re.search(r"([\d,]+) images? shown", self.words(".count"))[1].replace(",", "")
        )
        margin = 56 if n_images <= 120 else 24  # whole pictures at the edge, or points
        side = min(box["width"], box["height"]) - 2 * margin
        left = box["x"] + (box["width"] - side) / 2
        top = box["y"] + (box["height"] - side) / 2
        return left + side * x, top + side * y

    def pixel(self, canvas: str) -> list[int]:
        """RGB in the middle of a canvas."""
        return self.page.evaluate(
            """(name) => {
                const canvas = document.querySelector(name);
                const copy = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
                copy.drawImage(canvas, -(canvas.width >> 1), -(canvas.height >> 1));
                return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
            }""",
            canvas,
        )

    def words(self, element: str) -> str:
        return self.page.locator(element).text_content() or ""

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def seen(browser):
    """Opens pages, and closes them."""
    opened: list[Seen] = []

    def see(path: Path, address: str = "", **settings) -> Seen:
        opened.append(Seen(browser, path, address, **settings))
        return opened[-1]

    yield see
    for each in opened:
        each.close()
