"""One image: the change is small, and the answer is that to the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import bottlebank
from bottlebank.errors import HeadFileError, ImageRejectedError, UsageError
from bottlebank.interpret.attacks.adversarial import adversarial
from bottlebank.interpret.attacks.attack import DEFAULT_STEPS, Attack, Goal
from bottlebank.interpret.attacks.changed_file import answer_to_files
from bottlebank.interpret.made_image import png_of
from bottlebank.interpret.opening import open_for_head

from ...conftest import picture


@pytest.fixture
def given(trained, cache):
    """What all calls have, and a predictor of the same."""
    return trained.head, cache, bottlebank.load_predictor(trained.head, cache=cache)


def wide(tmp_path, kind="JPEG"):
    """A photograph that is neither square nor of the network's size."""
    path = tmp_path / f"شعار 标志 🎽 <script>.{kind.lower()}"
    picture("stripes", 3).resize((301, 97)).save(path, kind)
    return path


def require_consistent(found, head, cache, predictor, path):
    most = found.largest if found.levels is None else found.levels
    assert np.abs(found.difference).max() <= most
    assert found.pixels.dtype == found.changed.dtype == np.uint8
    np.testing.assert_array_equal(found.pixels, predictor.decode_and_resize(path.read_bytes()))
    png = png_of(found.changed)
    np.testing.assert_array_equal(predictor.decode_and_resize(png), found.changed)
    assert predictor(png) == found.after
    assert predictor(path) == found.before
    assert found.flipped == (
        found.after.label == found.target
        if found.target is not None
        else found.after.label != found.before.label
    )


def test_the_file_that_is_written_is_answered_otherwise(given, tmp_path):
    head, cache, predictor = given
    path, saved = wide(tmp_path), tmp_path / "changed.png"
    found = adversarial(path, head, budget="64/255", save=saved, cache=cache)
    require_consistent(found, head, cache, predictor, path)
    assert found.flipped
    assert found.before.path == str(path)
    assert saved.read_bytes() == png_of(found.changed)
    assert predictor(saved) == found.after
    kept = adversarial(path, head, budget="1/255", steps=1, save=saved, cache=cache)
    assert not kept.flipped
    assert kept.saved is None
    assert not saved.exists()  # what the first call has left would not fit this picture
    said = found.as_dict()
    assert said["budget"] == f"{found.levels}/255"
    assert said["original"]["label"] != said["changed"]["label"]


@pytest.mark.slow
def test_a_target_is_reached_or_not_and_both_are_said(given, tmp_path):
    head, cache, predictor = given
    path, saved = wide(tmp_path, "WEBP"), tmp_path / "changed.png"
    target = predictor(path)[-1][0]
    for method in ("pgd", "fgsm"):
        found = adversarial(path, head, target=target, method=method, budget="64/255", cache=cache)
        require_consistent(found, head, cache, predictor, path)
    unsure = adversarial(
        *(path, head), target=target, method="fgsm", budget="1/255", save=saved, cache=cache
    )
    require_consistent(unsure, head, cache, predictor, path)
    assert saved.exists() == unsure.flipped
    with pytest.raises(UsageError, match="already: choose another class as the target"):
        adversarial(path, head, target=predictor(path).label, cache=cache)


@pytest.mark.slow
def test_a_head_that_is_certain_is_fooled_all_the_same(given, tmp_path):
    head, cache, _ = given
    certain = replace(head, temperature=1e-4)
    path = wide(tmp_path)
    sure = bottlebank.load_predictor(certain, cache=cache)(path)
    assert sure.probability == 1
    found = adversarial(path, certain, budget="64/255", cache=cache)
    assert found.flipped
    assert found.levels == adversarial(path, head, budget="64/255", cache=cache).levels


@pytest.mark.slow
def test_grey_and_transparent_pictures_and_pixels(given, tmp_path):
    head, cache, predictor = given
    base = picture("disc", 1)
    for mode in ("L", "RGBA"):
        path = tmp_path / f"{mode}.png"
        base.convert(mode).save(path)
        require_consistent(
            adversarial(path, head, budget="2/255", steps=2, cache=cache),
            *(head, cache, predictor, path),
        )
    found = adversarial(np.asarray(base), head, budget="2/255", steps=2, cache=cache)
    assert found.before == predictor(base)
    path = tmp_path / "L.png"
    first, second = (
        adversarial(image, head, budget="2/255", steps=2, cache=cache)
        for image in (path, path.read_bytes())
    )
    np.testing.assert_array_equal(first.changed, second.changed)


@pytest.mark.slow
def test_answers_of_the_predictor_decide(given):
    head, cache, predictor = given
    network = open_for_head(head, cache=cache)
    pixels = np.stack([np.asarray(picture(kind, 5).resize((96, 96))) for kind in head.classes])
    pixels = np.stack([predictor.decode_and_resize(png_of(each)) for each in pixels])
    said = answer_to_files(predictor, pixels).probabilities.argmax(axis=1)
    attack = Attack(network, lambda changed, rows: said[rows], steps=DEFAULT_STEPS)
    changed, reached = attack(pixels, Goal(said), 64, np.arange(len(pixels)))
    assert not reached.any()
    assert (changed != pixels).any()
    assert np.abs(changed.astype(int) - pixels).max() <= 64


REFUSED = [
    ({"target": "stripe"}, "the head has no class 'stripe': did you mean stripes"),
    ({"target": 3}, "the head has no class 3"),
    ({"method": "cw"}, "method is one of pgd or fgsm; received 'cw'"),
    ({"budget": "0/255"}, "expected a budget"),
    ({"steps": 0}, "steps is 0; expected a whole number of at least 1"),
    ({"random_state": -1}, "random_state is -1"),
    ({"engine": "openvino"}, "the engine openvino computes no gradients: leave --engine out"),
    ({"engine": "onnxruntime"}, "the engine onnxruntime computes no gradients"),
    ({"engine": "nonsense"}, "unknown engine"),
]


def test_what_cannot_be_is_said(given, tmp_path):
    head, cache, _ = given
    for settings, message in REFUSED:  # before any work: there is no such image
        with pytest.raises(UsageError, match=message):
            adversarial("there is none.png", head, **settings)
    photo, ours = wide(tmp_path, "PNG"), tmp_path / "ours.png"
    ours.write_bytes(png_of(np.zeros((4, 4, 3), np.uint8)))
    before = photo.read_bytes()
    for image, save, message in [
        ("none.png", "changed.jpg", r"expected a name that ends in \.png"),
        ("none.png", photo, "exists and is not an image without captions that bottlebank has"),
        (photo, photo, "it is also the input"),
        (ours, ours, "it is also the input"),
        (photo.read_bytes(), tmp_path, r"ends in \.png"),
    ]:
        with pytest.raises(UsageError, match=message):
            adversarial(image, head, save=save)
    assert photo.read_bytes() == before
    words = tmp_path / "words.jpg"
    words.write_text("no image")
    with pytest.raises(ImageRejectedError, match=r"words\.jpg: "):
        adversarial(words, head, cache=cache)
    with pytest.raises(HeadFileError, match="words"):
        adversarial(words, words, cache=cache)


def test_the_file_says_what_has_made_it(tmp_path):
    (tmp_path / "changed.png").write_bytes(png_of(np.zeros((4, 4, 3), np.uint8)))
    with Image.open(tmp_path / "changed.png") as image:
        assert image.info["Software"] == "bottlebank"
