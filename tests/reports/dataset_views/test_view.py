"""Pictures of a dataset from Python and the command line: nothing is extracted without need."""

import os

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import DatasetError, UsageError
from bottlebank.features.images.headers import Header, read_header
from bottlebank.reports.dataset_views.sizes import odd_ones
from bottlebank.reports.dataset_views.units import distinct, own_units, share_between


def test_samples_balance_and_sizes_extract_nothing(photos, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("extracted")

    monkeypatch.setattr("bottlebank.reports.dataset_views.view.extract", fail)
    for kind, words in (
        ("samples", "Up to 10 photographs of each class"),
        ("balance", "60 images in 3 classes: 20 each."),
        ("sizes", "60 images, upright, of 48×48 pixels."),
    ):
        drawn = bb.plot(photos, tmp_path / f"{kind}.svg", kind=kind, theme="dark")
        assert words in drawn.caption
        text = drawn.path.read_text()
        assert f"photos: {kind}" in text
        assert drawn._repr_svg_() == text
        assert drawn.n_images == 60
        assert len(repr(drawn)) < 400 + len(str(tmp_path))


def test_samples_are_the_same_for_the_same_seed(photos, tmp_path):
    pictures = [
        bb.plot(photos, tmp_path / f"{n}.png", kind="samples", random_state=seed).path.read_bytes()
        for n, seed in enumerate((0, 0, 1))
    ]
    assert pictures[0] == pictures[1] != pictures[2]


def test_damaged_files_are_left_out_and_counted(photos, tmp_path):
    for path in (photos / "disc").iterdir():
        path.write_bytes(b"no image")
    bb.plot(photos, tmp_path / "samples.svg", kind="samples")
    assert "no image that can be read" in (tmp_path / "samples.svg").read_text()
    drawn = bb.plot(photos, tmp_path / "sizes.svg", kind="sizes")
    assert drawn.caption.endswith("Not among them: 20 files that cannot be read.")
    with pytest.raises(DatasetError, match="none of 20 images has a header that can be read"):
        bb.plot([str(photos / "disc")], tmp_path / "sizes.svg", kind="sizes")


def test_what_cannot_be_drawn_is_refused(photos, tmp_path):
    for kind, more, why in (
        ("pie", {}, "expected a kind of picture, map, samples, .*received 'pie'"),
        ("sizes", {"fit": "crop"}, "fit: no transfer values are extracted for sizes"),
        ("balance", {"theme": "sepia"}, "expected the theme light or dark"),
    ):
        with pytest.raises(UsageError, match=why):
            bb.plot(photos, tmp_path / "view.png", kind=kind, **more)
    with pytest.raises(UsageError, match=r"a picture is a \.png or \.svg file"):
        bb.plot(photos, tmp_path / "view.html", kind="samples")
    assert not list(tmp_path.glob("view*"))


def test_headers_say_the_size_of_an_upright_picture_and_read_little(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / os.fsdecode(b"\xff photo.jpg")
    noise = np.random.default_rng(0).integers(0, 255, (200, 600, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    assert read_header(str(path)) == Header(200, 600, "JPEG", path.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])  # its pixels are cut off
    assert read_header(str(path))[:3] == (200, 600, "JPEG")
    for name, content, why in (
        ("text.png", b"words", "its header cannot be read"),
        ("empty.png", b"", "its header cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(bb.BottlebankError, match=why):
            read_header(str(tmp_path / name))
    for name, why in (("missing.png", "No such file"), (".", "directory")):
        with pytest.raises(bb.BottlebankError, match=why):
            read_header(str(tmp_path / name))


def test_odd_images_are_those_far_from_most():
    usual = [Header(640 + n, 480, "JPEG", 60_000 + 10 * n) for n in range(50)]
    panorama, tiny = Header(6000, 200, "PNG", 200_000), Header(3, 3, "GIF", 40)
    heavy = Header(640, 480, "BMP", 6_000_000)
    headers = [*usual, panorama, tiny, heavy]
    odd = odd_ones(headers, [f"/photos/{n}.x" for n in range(len(headers))])
    assert sorted(each.row for each in odd) == [50, 51, 52]
    assert odd[0].row == 51
    why = {each.name: each.why for each in odd}
    assert why["50.x"].startswith("6,000×200, width to height, ")
    assert "bytes per pixel" in why["52.x"]
    assert odd_ones([Header(64, 64, "PNG", 100)] * 9, ["a"] * 9) == []


def test_shares_rank_units_as_f_does_and_are_between_0_and_1():
    from sklearn.feature_selection import f_classif

    random = np.random.default_rng(0)
    labels = np.array(["a"] * 30 + ["b"] * 50 + ["c"] * 20)
    features = random.normal(size=(100, 40)).astype(np.float32)
    features[:30] += random.normal(size=40) * 2
    features[:, 5] = 7.3
    shares = share_between(features, labels)
    assert shares[5] == 0
    others = np.arange(40) != 5
    f, _ = f_classif(features[:, others].astype(float), labels)
    expected = f * 2 / (f * 2 + 97)
    assert shares[others] == pytest.approx(expected, rel=1e-6)
    two = np.array([[0.0, 1.0], [2.0, 1.0]], np.float32)
    assert share_between(two, np.array(["a", "b"])).tolist() == [1.0, 0.0]


def test_each_class_has_a_unit_that_is_greatest_in_it():
    random = np.random.default_rng(0)
    labels = np.array(["a", "<b>", "\u0642", "d"] * 25)
    features = random.normal(size=(100, 30)).astype(np.float32)
    for unit, name in ((3, "a"), (29, "<b>"), (0, "\u0642")):
        features[labels == name, unit] += 6
    features[labels == "d", 7] -= 9  # tells d best, and is smaller there
    features[labels == "d", 8] += 3
    features[:, 9] = 0.1
    found = own_units(features, labels)
    assert [(unit, name) for unit, _, name in found] == [
        (29, "<b>"),
        (3, "a"),
        (8, "d"),
        (0, "\u0642"),
    ]
    for unit, share, name in found:
        assert share == pytest.approx(share_between(features[:, [unit]], labels == name)[0])
    # Of two classes that one unit tells from the third, one has it and the other the next best.
    pair = random.normal(size=(90, 5)).astype(np.float32) * 0.01
    names = np.repeat(["x", "y", "z"], 30)
    pair[names != "z", 2] += 1
    pair[names == "x", 2] += 0.5
    pair[names == "y", 4] += 0.1
    assert [(unit, name) for unit, _, name in own_units(pair, names)][:2] == [(2, "x"), (4, "y")]
    assert own_units(np.full((90, 5), 0.1, np.float32), names) == []


def test_of_units_that_say_the_same_one_is_chosen():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 100)).astype(np.float32)
    features = np.stack([first, -2 * first + 1, second, np.full(100, 4, np.float32)], axis=1)
    assert distinct(features, np.array([0.5, 0.7, 0.3, 0.0]), 4) == [1, 2]
