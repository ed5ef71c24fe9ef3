"""The gallery lists what its command makes, under names of their own, and is small."""

import importlib.util
import re
from types import ModuleType

import pytest
from PIL import Image, ImageStat

from .conftest import ROOT

MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "make_gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(gallery: ModuleType) -> list[str]:
    return [
        name
        for entry in gallery.ENTRIES
        for name in (*map(gallery.kept_as, entry.pictures), *gallery.screenshots(entry))
    ]


def test_the_page_is_the_one_that_the_command_writes(gallery):
    assert (ROOT / "docs" / "gallery.md").read_text() == gallery.page()


def test_names_are_unique_and_listed_and_made(gallery):
    made = names(gallery)
    assert len(made) == len(set(made))
    assert sorted(made) == sorted(path.name for path in gallery.PICTURES.iterdir())
    listed = re.findall(r"\]\(gallery/([^)]+)\)", gallery.page())
    assert sorted(listed) == sorted(made)


def test_one_name_in_two_folders(gallery):
    assert gallery.kept_as("mistakes.png") != gallery.kept_as("report/mistakes.png")


def test_pictures_show_something_and_are_small(gallery):
    paths = list(gallery.PICTURES.iterdir())
    assert sum(path.stat().st_size for path in paths) < MOST_BYTES
    for path in paths:
        with Image.open(path) as image:
            assert image.width <= gallery.WIDEST_PX
            assert max(ImageStat.Stat(image.convert("L")).stddev) > 5, path.name


def test_every_kind_and_colour_of_a_picture_is_there(gallery):
    from bottlebank.reports.dataset_views.kinds import KINDS
    from bottlebank.viz import METHODS
    from bottlebank.viz.colourings import COLOURINGS

    commands = " ".join(entry.command for entry in gallery.ENTRIES)
    for option, values in (("kind", KINDS), ("color", COLOURINGS), ("method", METHODS)):
        for value in set(values) - {"map", "label"}:
            assert f"--{option} {value}" in commands
