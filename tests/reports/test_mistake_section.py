"""The mistakes of a report: which, in which order, with which paths and links."""

import io
import os
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import Key, content_of_bytes
from bottlebank.features.images.decoder import decode
from bottlebank.interpret.attribution import Saliency
from bottlebank.reports.mistake_section import MOST_EXPLAINED, MOST_ON_A_PAGE, mistake_section


@pytest.fixture
def section_of(tmp_path, monkeypatch):
    """The section of images whose paths are given, all of them mistakes; and what is drawn."""
    drawn = []
    monkeypatch.setattr(
        "bottlebank.reports.mistake_section.draw_mistakes",
        lambda thumbnails, captions, *_: drawn.append((thumbnails, captions)),
    )

    def make(paths, shares, source=str(tmp_path), label="hat", explainer=None, **evaluation):
        table = SimpleNamespace(
            paths=paths,
            keys=[Key(content_of_bytes(data)) for data in map(bytes_of, paths)],
            labels=np.array([label] * len(paths)),
            recipe=SimpleNamespace(grey16="scale"),
        )
        wrong = np.array(shares, float)
        settings = {"cross_validated": None, "without_views": None, **evaluation}
        evaluated = SimpleNamespace(
            **settings,
            rows=np.arange(len(paths)),
            answer=SimpleNamespace(probabilities=np.c_[1 - wrong, wrong].reshape(-1, 2)),
        )
        head = SimpleNamespace(classes=[label, "coat"])
        about = (source, head, table, evaluated, explainer)
        return mistake_section(tmp_path, "photos, test", *about), drawn

    return make


def bytes_of(path) -> bytes:
    return Path(path).read_bytes() if Path(path).is_file() else b""


def photograph(path, size=(30, 20), colour=(200, 30, 90)) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, "PNG")
    return str(path)


def test_the_most_confident_mistake_comes_first(tmp_path, section_of):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    names = ["test/a/1.png", "test/b/2.png", "3.png"]
    paths = [
        photograph(tmp_path / name, colour=colour)
        for name, colour in zip(names, colours, strict=True)
    ]
    section, drawn = section_of([*paths, paths[0]], [0.6, 0.9, 0.75, 0.2])
    assert section.title == "3 mistakes"
    assert [found.path for found in section.mistakes] == ["test/b/2.png", "3.png", "test/a/1.png"]
    assert [found.share for found in section.mistakes] == ["90.0 %", "75.0 %", "60.0 %"]
    assert {found.root for found in section.mistakes} == {f"{tmp_path}/"}
    shown = [Image.open(io.BytesIO(found.picture)) for found in section.mistakes]
    assert [np.argmax(np.asarray(image)[5, 5]) for image in shown] == [1, 2, 0]
    assert [image.format for image in shown] == ["WEBP"] * 3
    [(_, captions)] = drawn
    assert captions[0] == ("hat", "coat", 0.9, "test/b/2.png"), "the picture shows folders too"


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.png", "帽子/قبعة 🎩.png".encode(), b"<script>/%20 #?&.png", b"two\nlines.png"],
)
def test_a_link_leads_to_the_file_whatever_its_name(name, tmp_path, section_of):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    section, _ = section_of([photograph(path)], [0.9])
    [found] = section.mistakes
    assert found.address.startswith("file:///")
    assert unquote_to_bytes(found.address.removeprefix("file://")) == os.fsencode(path)
    assert "\n" not in found.path
    assert found.picture is not None


def test_a_path_is_whole_where_the_dataset_was_named_from_here(tmp_path, section_of, monkeypatch):
    photograph(tmp_path / "photos" / "a" / "1.png")
    elsewhere = photograph(tmp_path / "other" / "2.png")
    monkeypatch.chdir(tmp_path)
    section, _ = section_of(["photos/a/1.png", elsewhere], [0.9, 0.8], "photos")
    whole = [found.root + found.path for found in section.mistakes]
    assert whole == [f"{tmp_path}/photos/a/1.png", elsewhere]
    assert [found.path for found in section.mistakes] == ["a/1.png", elsewhere]


def test_thumbnails_are_small_and_keep_their_shape(tmp_path, section_of):
    sizes = [(1200, 300), (3, 900), (1, 1), (240, 240)]
    paths = [photograph(tmp_path / f"{n}.png", size) for n, size in enumerate(sizes)]
    section, _ = section_of(paths, [0.9, 0.8, 0.7, 0.6])
    found = [Image.open(io.BytesIO(each.picture)).size for each in section.mistakes]
    assert found == [(240, 60), (1, 240), (1, 1), (240, 240)]


def test_an_image_that_has_gone_is_listed_all_the_same(tmp_path, section_of):
    section, drawn = section_of([str(tmp_path / "gone.png")], [0.9], label="<script>\x1b")
    [found] = section.mistakes
    assert found.picture is None
    assert found.label == "<script>\\x1b"
    assert drawn == [([], [])]
    assert section.title == "1 mistake"


def test_so_many_mistakes_are_shown_and_the_rest_is_counted(tmp_path, section_of):
    path = photograph(tmp_path / "a.png", (2, 2))
    section, drawn = section_of([path] * 1234, np.linspace(0.51, 1, 1234))
    assert section.title == "The 200 most confident of 1,234 mistakes"
    section_of_201, _ = section_of([path] * 201, np.linspace(0.51, 1, 201))
    assert "The other one is listed in evaluation.json." in section_of_201.text
    assert "The other 1,034 are listed in evaluation.json." in section.text
    assert len(section.mistakes) == MOST_ON_A_PAGE == 200
    assert section.mistakes[0].share == "100.0 %"
    assert len(drawn[0][1]) == 20


def test_no_mistakes_are_said(section_of, tmp_path):
    section, drawn = section_of([photograph(tmp_path / "a.png")], [0.1])
    assert (section.title, section.mistakes) == ("No mistakes", [])
    assert drawn == [([], [])]


class Brightness:
    """Explains any class by the brightness of the photograph, and counts what it was given."""

    classes = ("hat", "coat")
    engine, method = "openvino", "gradcam"
    recipe = SimpleNamespace(extractor="efficientnet_lite0")

    def __init__(self):
        self.seen = []

    def __call__(self, data, label, name):
        pixels = decode(data)
        self.seen.append((int(pixels[0, 0, 0]), label))
        values, window = pixels[..., 0] / np.float32(255), (0, 0, *pixels.shape[:2])
        whole = (values, pixels, window, None, None, "", "", "")
        return Saliency(self.method, label, 0.9, "coat", False, *whole)


def test_what_speaks_for_the_answer_stands_beside_the_most_confident(tmp_path, section_of):
    paths = [photograph(tmp_path / f"{n}.png", (8, 6), (n, n, n)) for n in range(25)]
    explainer = Brightness()
    section, _ = section_of(paths, np.linspace(0.6, 0.9, 25), explainer=explainer)
    first = [(24 - n, label) for n in range(MOST_EXPLAINED) for label in ("coat", "hat")]
    assert explainer.seen == first, "of those that stand first on the page"
    n_maps = [len(found.maps) for found in section.mistakes]
    assert n_maps == [2] * MOST_EXPLAINED + [0] * 5
    maps = section.mistakes[0].maps
    assert [each.label for each in maps] == ["coat", "hat"]
    assert Image.open(io.BytesIO(maps[0].picture)).size == (8, 6)
    assert "Beside each of the 20 most confident stands, by Grad-CAM" in section.text
    assert "no map" not in section.text


def test_a_photograph_that_has_gone_has_no_map_and_says_so(tmp_path, section_of):
    paths = [photograph(tmp_path / "here.png"), str(tmp_path / "gone.png")]
    section, _ = section_of(paths, [0.8, 0.9], explainer=Brightness())
    gone, here = section.mistakes
    assert (len(gone.maps), len(here.maps)) == (0, 2)
    assert gone.note == "no map: cannot be read: No such file or directory"
    assert gone.is_explained
    assert not here.note
    assert "There is no map of 1 image, which says why." in section.text


def test_it_is_said_what_the_maps_are_of_where_others_made_the_mistakes(tmp_path, section_of):
    path = photograph(tmp_path / "a.png")
    for words, evaluation in (
        ("heads that have not seen the image; the maps are of this head", {"cross_validated": 1}),
        ("of the image alone, without its views", {"without_views": 1}),
    ):
        section, _ = section_of([path], [0.9], explainer=Brightness(), **evaluation)
        assert words in section.text


def test_without_mistakes_nothing_is_explained(section_of, tmp_path):
    explainer = Brightness()
    section, _ = section_of([photograph(tmp_path / "a.png")], [0.1], explainer=explainer)
    assert (section.title, section.text.count("\n"), explainer.seen) == ("No mistakes", 0, [])
