"""`--saliency` of `evaluate` and `plot`: what the mistakes of a head rest on."""

import html
import re
import shutil

import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.interpret.attribution import opening
from bottlebank.interpret.attribution.parts import Patches


@pytest.fixture
def mislabelled(photos, tmp_path):
    """Three pictures of `photos`, two of them in the folder of another class."""
    for number, (kind, label) in enumerate((("disc", "checks"), ("checks", "disc"))):
        folder = tmp_path / "wrong" / label
        folder.mkdir(parents=True)
        with Image.open(photos / kind / "00.png") as image:
            image.resize((90, 60)).save(folder / f"<b>{number}.png")
    shutil.copy(photos / "disc" / "01.png", tmp_path / "wrong" / "disc" / "right.png")
    return tmp_path / "wrong"


def test_the_report_shows_what_speaks_for_the_answer(
    bottlebank, mislabelled, trained, cache, tmp_path, monkeypatch
):
    head, report = tmp_path / "head.h5", tmp_path / "report"
    bb.save_head(trained, head)
    monkeypatch.setattr(opening, "patches_for", lambda side_px, *_: Patches(*[side_px // 2] * 2))
    its = ("--head", head, "--cache", cache, "--engine", "openvino", "--report", report, "--json")
    done = bottlebank("evaluate", mislabelled, *its, "--saliency", "occlusion", "--split", "all")
    assert done.code == 0, done.err
    page = (report / "report.html").read_text()
    assert "most confident stands, by occlusion (random, openvino), what speaks for the" in page
    maps = re.findall(r'alt="([^"]*): (?:what|nothing) speaks for (\w+)', page)
    mistakes = [(each["path"], each["predicted"]) for each in done.json["mistakes"]]
    assert [(f"{mislabelled}/{html.unescape(path)}", label) for path, label in maps] == mistakes
    assert len(maps) >= 2


def test_what_cannot_be_explained_is_said_before_anything_is_extracted(
    bottlebank, mislabelled, trained, tmp_path
):
    head, report = tmp_path / "head.h5", tmp_path / "report"
    bb.save_head(trained, head)
    its = ("evaluate", mislabelled, "--head", head, "--cache", tmp_path / "other")
    its = (*its, "--engine", "openvino", "--saliency", "gradcam")
    done = bottlebank(*its, "--report", report)
    assert done.code != 0
    [line] = done.err.splitlines()
    assert re.search(
        r"openvino computes no gradients: leave --engine out.*--saliency occlusion", line
    )
    assert not report.exists()
    assert not (tmp_path / "other").exists()
    alone = bottlebank(*its)
    assert alone.code == 2
    assert alone.err.rstrip() == (
        "bottlebank: --saliency gradcam is of the report: add --report DIR, or leave it out"
    )


@pytest.mark.slow
def test_a_network_without_layers_has_no_grad_cam(bottlebank, mislabelled, trained, tmp_path):
    head = tmp_path / "head.h5"
    bb.save_head(trained, head)
    its = ("--head", head, "--cache", tmp_path / "other", "--report", tmp_path / "report")
    done = bottlebank("evaluate", mislabelled, *its, "--saliency", "gradcam")
    assert done.code != 0
    assert "random shows none: choose the method integrated-gradients" in done.err.splitlines()[-1]
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradcam", "occlusion", "integrated-gradients"])
def test_mistakes_on_real_photographs(method, clothing, tmp_path):
    """Grad-CAM shows both classes, the others what it was taken for."""
    cache = tmp_path / "cache"
    classes = ("hat", "shoes", "skirt")
    for name in classes:
        for side, n_images in (("train", 40), ("validation", 30)):
            folder = tmp_path / "photos" / side / name
            folder.mkdir(parents=True)
            for path in sorted((clothing / "train" / name).glob("*.jpg"))[:n_images]:
                shutil.copy(path, folder / f"{side}-{path.name}")
    lied = tmp_path / "photos" / "validation" / "hat" / "lied.jpg"
    shutil.copy(sorted((clothing / "validation" / "shoes").glob("*.jpg"))[0], lied)
    table = bb.extract(tmp_path / "photos", "efficientnet_lite0", cache=cache)
    head = bb.train_head(table).head
    page, *_ = bb.write_report(tmp_path / "report", head, table, "validation", saliency=method)
    text = page.read_text()
    found = re.findall(r'alt="[^"]*lied.jpg: what speaks for (\w+), most of all at (\d+) %', text)
    assert [label for label, _ in found] == ["shoes", "hat"][: 2 if method == "gradcam" else 1]
    assert len(re.findall("lied.jpg: nothing speaks", text)) <= 1


def test_the_explorer_carries_maps_of_the_mistakes(
    bottlebank, mislabelled, trained, cache, tmp_path, monkeypatch
):
    head, page = tmp_path / "head.h5", tmp_path / "map.html"
    bb.save_head(trained, head)
    monkeypatch.setattr(opening, "patches_for", lambda side_px, *_: Patches(*[side_px // 2] * 2))
    its = ("plot", mislabelled, "--cache", cache, "--engine", "openvino", "--output", page)
    done = bottlebank(*its, "--head", head, "--saliency", "occlusion", "--thumbnail-budget", 0)
    assert done.code == 0, done.err
    assert 'id="part-mapPictures"' in page.read_text()

    alone = bottlebank(*its, "--saliency", "occlusion")
    assert alone.code == 2
    assert "--saliency occlusion is of the mistakes of a head: add --head" in alone.err
    other = ("--cache", tmp_path / "other", "--head", head, "--saliency", "gradcam")
    refused = bottlebank(*its, *other)
    assert refused.code != 0
    [line] = refused.err.splitlines()
    assert "openvino computes no gradients" in line
    assert not (tmp_path / "other").exists(), "before anything is extracted"
