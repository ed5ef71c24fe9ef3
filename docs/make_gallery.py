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
QUALITY = 82
IMAGES_PER_CLASS = 40
MISLABELLED = (("3", "8"), ("7", "1"), ("9", "4"), ("5", "6"), ("0", "2"), ("1", "7"))
"""The class of a digit, and the folder that it is put into."""
DEVICES = {"desk": (1280, 800), "phone": (390, 844)}
"""Width and height in CSS pixels."""
THEMES = ("light", "dark")
TRAIN = "train digits/ --extractor efficientnet_lite0 --output head.h5"


class Entry(NamedTuple):
    """A command of the gallery and what it shows."""

    title: str
    text: str
    command: str
    pictures: tuple[str, ...]
    """That it writes."""
    page: str = ""
    """That it writes, and that is photographed."""
    state: str = ""
    """What stands behind # in the address of the page."""


ENTRIES = (
    Entry(
        "A map",
        "Images with similar transfer values lie together. The caption says how far the map can be "
        "trusted. See [maps](maps.md), also for all pictures below it.",
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
        "Each axis says how much of the variance it holds. Here, colours are splits.",
        "plot digits/ --method pca --color split --output splits.png",
        ("splits.png",),
    ),
    Entry(
        "Predictions",
        "What the head takes each image for, or that it is unknown.",
        "plot digits/ --method tsne --color prediction --head head.h5 --output predictions.png",
        ("predictions.png",),
    ),
    Entry(
        "Mistakes",
        "Without a head, each image is predicted by one that has not seen it.",
        "plot digits/ --method tsne --color mistake --theme dark --output mistakes.png",
        ("mistakes.png",),
    ),
    Entry(
        "Confidence",
        "How sure these heads are.",
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
        "plot digits/ --method tsne --dimensions 3 --output space.png",
        ("space.png",),
    ),
    Entry(
        "The explorer",
        "One file, opened from disk: point at images, filter, search, correct labels. See "
        "[the explorer](explorer.md).",
        "plot digits/ --method tsne --output explorer.html",
        (),
        "explorer.html",
        "image=27&colour=prediction",
    ),
    Entry(
        "The audit",
        "Likely wrong labels, duplicates, outliers and shortcuts, with what to do about them. See "
        "[the audit](audit.md).",
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
        "The transfer values that tell the classes apart most, and each class from all others, "
        "with the images that excite them most.",
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
        "Two images",
        "Their transfer values on one scale, and where they differ.",
        "plot digits/3/0003.png --beside digits/8/0008.png --output two.png",
        ("two.png",),
    ),
    Entry(
        "What the network sees",
        "The strongest units of an image in some layers, and the images that excite each most. See "
        "[what the network sees](look.md).",
        "look features digits/3/0003.png --head head.h5 --data digits/ --output features.png",
        ("features.png",),
    ),
    Entry(
        "What an answer rests on",
        "The parts of an image that speak for a class, and the same of a network with random "
        "weights. See [what the network sees](look.md).",
        "look saliency digits/3/0003.png --head head.h5 --method occlusion --engine tensorflow "
        "--theme dark --output saliency.png",
        ("saliency.png",),
    ),
    Entry(
        "What excites it most",
        "Pictures that are made to excite units of a layer more than photographs do: each is a "
        "pattern that the unit looks for. See [what the network sees](look.md).",
        "look maximise --extractor efficientnet_lite0 --layer blocks.11.expand_conv.relu "
        "--unit 0,1,2,3,4,5 --output maximised.png",
        ("maximised.png",),
    ),
    Entry(
        "The report",
        "How good a head is, as a page with these pictures in it. See [heads](heads.md).",
        "evaluate digits/ --head head.h5 --report report/",
        (
            "report/confusion-matrix.png",
            "report/mistakes.png",
            "report/reliability.png",
            "report/learning-curve.png",
        ),
        "report/report.html",
    ),
    Entry(
        "An adversarial change",
        "The smallest change found that has the head say otherwise, magnified. See "
        "[what the network sees](look.md).",
        "look adversarial digits/3/0003.png --head head.h5 --output changed.png",
        ("changed.png",),
    ),
    Entry(
        "Painted",
        "An image in the style of another picture, here of what excites units. See "
        "[what the network sees](look.md).",
        "look style digits/3/0003.png maximised.png --size 256 --output painted.png",
        ("painted.png",),
    ),
    Entry(
        "A recipe",
        "The precision and recall of each class. See [recipes](recipes.md).",
        "recipe baseline digits/ --extractor efficientnet_lite0 --output baseline/",
        ("baseline/precision-recall.png",),
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
        folder, made = Path(name), Path(name) / "gallery"
        made.mkdir()
        write_dataset(folder)
        run(folder, TRAIN)
        for entry in ENTRIES:
            run(folder, entry.command)
            for picture in entry.pictures:
                keep(folder / picture, made / kept_as(picture))
            for kept, (theme, device) in screenshots(entry).items():
                shot = folder / "screenshot.png"
                photograph(folder / entry.page, entry.state, shot, chromium, theme, device)
                keep(shot, made / kept)
        shutil.rmtree(PICTURES, ignore_errors=True)
        shutil.copytree(made, PICTURES)
    (DOCS / "gallery.md").write_text(page())
    print(f"wrote {DOCS / 'gallery.md'} and {len(list(PICTURES.iterdir()))} pictures")


def page() -> str:
    """The text of `docs/gallery.md`."""
    about = (
        f"Every picture and page, made by the commands beside them from {IMAGES_PER_CLASS} of "
        f"scikit-learn's digits of each class, {len(MISLABELLED)} of which lie in a wrong folder. "
        "`make gallery` makes it anew. Missing are the curves of [fine-tuning](finetuning.md), "
        "whose networks download their weights, and the page of [the service](service.md)."
    )
    lines = ["# Gallery", "", *wrapped(about), "", *block(TRAIN)]
    for entry in ENTRIES:
        lines += [f"## {entry.title}", "", *wrapped(entry.text), "", *block(entry.command)]
        for picture in entry.pictures:
            kept = kept_as(picture)
            lines += [f"![{entry.title}: {Path(picture).stem}]({PICTURES.name}/{kept})", ""]
        for kept, (theme, device) in screenshots(entry).items():
            lines += [f"![{entry.title}, {theme}, on a {device}]({PICTURES.name}/{kept})", ""]
    return "\n".join(lines)


def block(command: str) -> list[str]:
    """A command as the page shows it."""
    return ["```bash", f"bottlebank {command}", "```", ""]


def kept_as(picture: str) -> str:
    """The name of a picture in the gallery, by its whole path: two folders may have one name."""
    return "-".join(Path(picture).with_suffix(".webp").parts)


def screenshots(entry: Entry) -> dict[str, tuple[str, str]]:
    """Names in the gallery, and the theme and the device, of the page of an entry."""
    name = Path(entry.page).stem
    return {
        f"{name}-{device}-{theme}.webp": (theme, device)
        for theme in THEMES
        for device in DEVICES
        if entry.page
    }


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


def keep(picture: Path, kept: Path) -> None:
    """Put a picture into the gallery, no wider than it is shown there."""
    with Image.open(picture) as image:
        image.thumbnail((WIDEST_PX, 10 * WIDEST_PX))
        image.convert("RGB").save(kept, quality=QUALITY, method=6)


def photograph(page: Path, state: str, kept: Path, chromium: str, theme: str, device: str) -> None:
    """A page as a browser shows it, from disk and without a network."""
    from playwright.sync_api import sync_playwright

    width_px, height_px = DEVICES[device]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        view = browser.new_page(
            viewport={"width": width_px, "height": height_px},
            color_scheme="dark" if theme == "dark" else "light",
            offline=True,
        )
        view.goto(f"{page.as_uri()}#{state}")
        view.wait_for_load_state("networkidle")
        view.wait_for_timeout(1000)
        view.screenshot(path=kept)
        browser.close()


def wrapped(text: str) -> list[str]:
    """Lines of at most 100 characters."""
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
