"""How soon the explorer draws, and how fluently it moves, in a browser without a GPU.

    python benchmarks/explorer.py [--points 20000 100000 1000000]

Points are synthetic: 20 classes as clouds, with paths, keys, predictions and splits as of files,
and up to 100,000 of them with thumbnails (noise in low colours, which WebP compresses about as
photographs) and ten nearest each. The page is opened in headless Chromium from disk with the
network off and `--disable-gpu`. It is opened anew for each figure; the table has the medians.

First drawing is from the start of the navigation until the points are on the canvas. Frames per
second are counted while the pointer drags the map about for two seconds, all points being in view;
at most as many as the steps of the pointer, each of which is drawn.
Bounds stand beside the figures: those for 100,000 and 1,000,000 points that the project set itself.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from bottlebank.reports.explorer import Points, Predicted, write_explorer
from bottlebank.reports.explorer.points import Nearest
from bottlebank.reports.sprites import Sprites

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
BOUNDS = {100_000: (3.0, 30.0), 1_000_000: (10.0, 10.0)}
"""Seconds to the first drawing at most, frames per second at least."""
N_CLASSES = 20
MOST_WITH_PICTURES = 100_000
SIDE_PX = 32
DRAG_S = 2.0
COUNT_FRAMES = """() => {
  window.frames_ = [];
  const count = (now) => { window.frames_.push(now); requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is installed")
    print(machine())
    print(
        "| points | file, MB | written, s | first drawing, s (bound) | ready, s | "
        "frames/s (bound) | pick, ms | lasso, s | search, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for n in options.points:
            output = Path(folder) / f"{n}.html"
            start = time.perf_counter()
            write_explorer(made(n), output, title=f"{n:,} points", sprites=pictures(n))
            written_s = time.perf_counter() - start
            rounds = [measured(browser.new_page(), output) for _ in range(options.rounds)]
            figures = [statistics.median(column) for column in zip(*rounds, strict=True)]
            first_s, ready_s, fps, pick_ms, lasso_s, search_s = figures
            most_s, least_fps = BOUNDS.get(n, (None, None))
            bounds = ("", "") if most_s is None else (f" ({most_s:.0f})", f" ({least_fps:.0f})")
            print(
                f"| {n:,} | {output.stat().st_size / 1e6:.1f} | {written_s:.1f} | "
                f"{first_s:.2f}{bounds[0]} | {ready_s:.2f} | {fps:.0f}{bounds[1]} | "
                f"{pick_ms:.1f} | {lasso_s:.2f} | {search_s:.2f} |"
            )
        browser.close()


def made(n: int) -> Points:
    """Clouds of points."""
    random = np.random.default_rng(0)
    labels = random.integers(0, N_CLASSES, n)
    centres = random.normal(size=(N_CLASSES, 2)) * 3
    wrong = random.random(n) < 0.1
    nearest = None
    if n <= MOST_WITH_PICTURES:
        nearest = Nearest(random.integers(0, n, (n, 10)), random.random((n, 10)))
    return Points(
        places=centres[labels] + random.normal(size=(n, 2)),
        classes=[f"class {number}" for number in range(N_CLASSES)],
        labels=labels,
        paths=[f"class {label}/IMG_{row:07d}.jpg" for row, label in enumerate(labels.tolist())],
        keys=random.integers(0, 256, (n, 32), np.uint8),
        root="/photos/",
        link="./photos/",
        splits=[("train", "test")[test] for test in (random.random(n) < 0.2).astype(int).tolist()],
        predicted=Predicted(
            np.where(wrong, random.integers(0, N_CLASSES, n), labels), random.random(n)
        ),
        nearest=nearest,
    )


def pictures(n: int) -> Sprites | None:
    """The same sheet over and over: what is decoded is what is looked at."""
    if n > MOST_WITH_PICTURES:
        return None
    random = np.random.default_rng(1)
    columns = 1024 // SIDE_PX
    coarse = random.integers(0, 256, (columns * 4, columns * 4, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((1024, 1024), Image.Resampling.BICUBIC).save(file, "WEBP")
    n_sheets = -(-n // columns**2)
    return Sprites(SIDE_PX, columns, [file.getvalue()] * n_sheets, np.full((n, 2), SIDE_PX, "u1"))


def measured(page: Page, path: Path) -> tuple[float, ...]:
    """Seconds to the first drawing and to readiness; frames per second; pick, lasso, search."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.context.set_offline(True)
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    marks = page.evaluate(
        "['first-drawing', 'ready'].map((name) => performance.getEntriesByName(name)[0].startTime)"
    )
    page.wait_for_timeout(1000)  # what was loaded is cleared away
    fps = frames_per_second(page)
    pick_ms = least_ms(lambda: page.mouse.move(500 + time.perf_counter_ns() % 7, 400))
    lasso_s = seconds(page, lambda: draw_lasso(page), "#panel-selection h2")
    search_s = seconds(page, lambda: page.fill("#search", "img_0012"), "#panel-show .count")
    page.close()
    return marks[0] / 1e3, marks[1] / 1e3, fps, pick_ms, lasso_s, search_s


def frames_per_second(page: Page) -> float:
    page.mouse.move(450, 400)
    page.mouse.down()
    page.evaluate(COUNT_FRAMES)
    start = time.perf_counter()
    step = 0
    while time.perf_counter() - start < DRAG_S:
        step += 1
        page.mouse.move(450 + 60 * np.sin(step / 10), 400 + 60 * np.cos(step / 10))
    frames = page.evaluate("window.frames_")
    page.mouse.up()
    page.keyboard.press("0")
    return min(step, len(frames) - 1) / (frames[-1] - frames[0]) * 1e3


def least_ms(act: Callable[[], object]) -> float:
    """Of ten times, with the way to the browser and back."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def draw_lasso(page: Page) -> None:
    page.keyboard.press("s")
    page.mouse.move(250, 150)
    page.mouse.down()
    for x, y in ((700, 150), (750, 400), (600, 650), (300, 600)):
        page.mouse.move(x, y, steps=10)
    page.mouse.up()


def seconds(page: Page, act: Callable[[], object], element: str) -> float:
    """Until the words of an element have changed."""
    before = page.text_content(element)
    start = time.perf_counter()
    act()
    page.wait_for_function(
        "([element, before]) => document.querySelector(element).textContent !== before",
        arg=[element, before],
        timeout=60_000,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
