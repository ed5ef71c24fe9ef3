"""Make the gallery: every picture and page of bottlebank, from scikit-learn's digits.

    python docs/make_gallery.py [--chromium PATH]

runs the commands that the gallery shows, in a temporary folder, and writes `docs/gallery.md` and
the pictures in `docs/gallery/`. Pages are photographed by a Chromium, light and dark, at the widths
of a desk and of a phone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from PIL import Image

from bottlebank.datasets.digits import write_digits

DOCS = Path(__file__).parent
PICTURES = DOCS / "gallery"
WIDEST_PX = 900
IMAGES_PER_CLASS = 40
MISLABELLED = (("3", "8"), ("7", "1"), ("9", "4"), ("5", "6"), ("0", "2"), ("1", "7"))
"""The class of a digit, and the folder that it is put into."""
DEVICES = {"desk": (1280, 800), "phone": (390, 844)}
"""Width and height in CSS pixels."""


class Entry(NamedTuple):
    """A command of the gallery and what it shows."""

    title: str
    text: str
    command: str
    shows: tuple[str, ...]
    """Pictures that the command has written."""
    page: str = ""
    """A page that it has written, which is photographed."""


ENTRIES = (
    Entry(
        "A map",
        "Images with similar transfer values lie together. The caption says how far the map can be "
        "trusted.",
        "plot digits/ --method tsne --output map.png",
        ("map.png",),
    ),
    Entry(
        "Dark, by UMAP",
        "Pictures for dark pages and slides.",
        "plot digits/ --method umap --theme dark --output dark.png",
        ("dark.png",),
    ),
    Entry(
        "Principal components",
        "Each axis says how much of the variance it holds.",
        "plot digits/ --method pca --output pca.png",
        ("pca.png",),
    ),
    Entry(
        "Mistakes",
        "What heads that had not seen an image take it for.",
        "plot digits/ --method tsne --color mistake --output mistakes.png",
        ("mistakes.png",),
    ),
    Entry(
        "Confidence",
        "How sure they are.",
        "plot digits/ --method tsne --color confidence --output confidence.png",
        ("confidence.png",),
    ),
    Entry(
        "Thumbnails",
        "The images themselves, as many as there is room for.",
        "plot digits/ --method tsne --thumbnails --output thumbnails.png",
        ("thumbnails.png",),
    ),
    Entry(
        "Three dimensions",
        "A third dimension keeps more of what lies close together.",
        "plot digits/ --method tsne --dimensions 3 --output solid.png",
        ("solid.png",),
    ),
    Entry(
        "The explorer",
        "One file, opened from disk: point at images, filter, search, correct labels. See "
        "[the explorer](explorer.md).",
        "plot digits/ --method tsne --output explorer.html",
        (),
        "explorer.html",
    ),
    Entry(
        "The audit",
        "Likely wrong labels, duplicates, outliers and shortcuts, with what to do about them. See "
        "[the audit](audit.md). Six of the digits lie in a wrong folder.",
        "audit digits/ --output labels.csv --report audit/",
        (),
        "audit/audit.html",
    ),
    Entry(
        "Samples",
        "Some images of each class.",
        "plot digits/ --kind samples --output samples.png",
        ("samples.png",),
    ),
    Entry(
        "Balance",
        "How many images each class and split has.",
        "plot digits/ --kind balance --output balance.png",
        ("balance.png",),
    ),
    Entry(
        "Sizes",
        "Width, height and format of the files.",
        "plot digits/ --kind sizes --output sizes.png",
        ("sizes.png",),
    ),
    Entry(
        "Units",
        "The transfer values that tell the classes apart most, with the images that excite them "
        "most.",
        "plot digits/ --kind units --output units.png",
        ("units.png",),
    ),
    Entry(
        "Transfer values",
        "Those of one image.",
        "plot digits/3/0003.png --output values.png",
        ("values.png",),
    ),
    Entry(
        "The report",
        "How good a head is. See [heads](heads.md).",
        "evaluate digits/ --head head.h5 --report report/",
        ("report/confusion-matrix.png", "report/mistakes.png", "report/learning-curve.png"),
        "report/report.html",
    ),
)


def main() -> None:
    """Run the commands, and write the page and its pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--chromium", default=shutil.which("chromium") or shutil.which("google-chrome")
    )
    chromium = parser.parse_args().chromium
    if chromium is None:
        parser.error("no Chromium is found, which photographs the pages: --chromium PATH")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder)
        run(folder, "train digits/ --extractor efficientnet_lite0 --output head.h5")
        shutil.rmtree(PICTURES, ignore_errors=True)
        PICTURES.mkdir()
        parts = [section(folder, entry, chromium) for entry in ENTRIES]
    about = (
        f"Every picture and page, made by the commands beside them from {IMAGES_PER_CLASS} of "
        f"scikit-learn's digits of each class, six of which lie in a wrong folder. "
        f"`make gallery` makes it anew."
    )
    (DOCS / "gallery.md").write_text("\n".join(["# Gallery", "", *wrapped(about), "", *parts]))
    print(f"wrote {DOCS / 'gallery.md'} and {len(list(PICTURES.iterdir()))} pictures")


def write_dataset(folder: Path) -> None:
    """A folder of digits with some of them in a wrong class."""
    write_digits(folder / "all", progress=False)
    for of_class in sorted((folder / "all").iterdir()):
        (folder / "digits" / of_class.name).mkdir(parents=True)
        for image in sorted(of_class.iterdir())[:IMAGES_PER_CLASS]:
            shutil.copy(image, folder / "digits" / of_class.name)
    for true, wrong in MISLABELLED:
        image = sorted((folder / "digits" / true).iterdir())[7]
        image.rename(folder / "digits" / wrong / image.name)
    shutil.rmtree(folder / "all")


def run(folder: Path, command: str) -> None:
    """Run a command of bottlebank there."""
    print(f"bottlebank {command}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "bottlebank", *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "BOTTLEBANK_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)


def section(folder: Path, entry: Entry, chromium: str) -> str:
    """Run the command of an entry, keep its pictures, and write its part of the page."""
    run(folder, entry.command)
    lines = [f"## {entry.title}", "", *wrapped(entry.text), ""]
    lines += ["```bash", f"bottlebank {entry.command}", "```", ""]
    for picture in entry.shows:
        kept = keep(folder / picture)
        lines += [f"![{entry.title}: {kept.stem}]({kept.relative_to(DOCS).as_posix()})", ""]
    if entry.page:
        for theme in ("light", "dark"):
            for device, (width_px, height_px) in DEVICES.items():
                kept = PICTURES / f"{Path(entry.page).stem}-{device}-{theme}.png"
                photograph(folder / entry.page, kept, chromium, width_px, height_px, theme)
                words = f"{entry.title}, {theme}, on a {device}"
                lines += [f"![{words}]({kept.relative_to(DOCS).as_posix()})", ""]
    return "\n".join(lines)


def keep(picture: Path) -> Path:
    """Copy a picture into the gallery, no wider than it is shown and of 256 colours."""
    kept = PICTURES / f"{picture.stem}.png"
    with Image.open(picture) as image:
        image.thumbnail((WIDEST_PX, 10 * WIDEST_PX))
        image.convert("RGB").quantize(256).save(kept, optimize=True)
    return kept


def photograph(
    page: Path, kept: Path, chromium: str, width_px: int, height_px: int, theme: str
) -> None:
    """A page as a browser shows it, from disk and without a network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        view = browser.new_page(
            viewport={"width": width_px, "height": height_px},
            color_scheme=theme,
            offline=True,
        )
        view.goto(page.as_uri())
        view.wait_for_load_state("networkidle")
        view.wait_for_timeout(1000)
        view.screenshot(path=kept)
        browser.close()
    keep(kept)


def wrapped(text: str) -> list[str]:
    """Lines of at most 100 characters."""
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
