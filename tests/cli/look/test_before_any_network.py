"""What needs no network is refused before one is opened, by every command that looks into one."""

import sys

import numpy as np
import onnx
import pytest
from PIL import Image

from bottlebank.errors import UsageError
from bottlebank.interpret import opening


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Files to name, and the arguments of each command before its image; no network opens."""

    def opened(*_, **__):
        raise AssertionError("a network is opened")

    monkeypatch.setattr(opening, "_opened", opened)
    monkeypatch.setattr(opening, "recipe_for", opened)
    monkeypatch.setattr("bottlebank.interpret.attacks.adversarial.load_predictor", opened)
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "photo.png")
    (tmp_path / "notes.jpg").write_text("no picture")
    onnx.save(onnx.ModelProto(), tmp_path / "net.onnx")
    head = tmp_path / "head.h5"  # none is read so early
    return tmp_path, {
        "features": ["--head", head],
        "saliency": ["--head", head],
        "adversarial": ["--head", head],
        "style": ["--extractor", "efficientnet_lite0", tmp_path / "photo.png"],
    }


@pytest.mark.parametrize("command", ["features", "saliency", "adversarial", "style"])
def test_what_is_no_image(bottlebank, given, command):
    folder, commands = given
    for name, words in (
        ("notes.jpg", "notes.jpg: not an image"),
        ("gone.jpg", "gone.jpg: cannot be read"),
        (".", "is a folder: expected an image file; name one in it"),
    ):
        output = folder / "made" / "out.png"
        done = bottlebank("look", command, *commands[command], folder / name, "--output", output)
        assert done.code in (1, 2)
        assert done.err.count("\n") == 1
        assert words in done.err
        assert not output.parent.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a folder such as /proc")
@pytest.mark.parametrize("command", ["features", "saliency", "adversarial", "style"])
def test_where_nothing_can_be_written(bottlebank, given, command):
    folder, commands = given
    call = ["look", command, *commands[command], folder / "photo.png"]
    places = [["--output", "/proc/out.png"], ["--output", "/proc/made/out.png"]]
    more = {"style": "--preview", "adversarial": "--save"}.get(command)
    if more is not None:
        places.append(["--output", folder / "out.png", more, "/proc/out.png"])
    for place in places:
        done = bottlebank(*call, *place)
        assert done.code == 2
        assert "/proc cannot be written" in done.err
    assert {each.name for each in folder.iterdir()} == {"photo.png", "notes.jpg", "net.onnx"}


def test_networks_without_gradients_or_layers(bottlebank, given):
    folder, _ = given
    photo, output = folder / "photo.png", ["--output", folder / "out.png"]
    for command, arguments in (
        ("style", [photo, photo]),
        ("features", [photo]),
        ("maximise", ["--unit", 3]),
    ):
        for name in (folder / "net.onnx", "hf:owner/name"):
            done = bottlebank("look", command, *arguments, "--extractor", name, *output)
            assert done.code == 1, done.err
            assert f"{name} has no gradients" in done.err
    (folder / "net.keras").write_bytes(b"PK")
    done = bottlebank("look", "style", photo, photo, "--extractor", folder / "net.keras", *output)
    assert done.code == 2
    assert "net.keras cannot be looked at: expected a network of keras.applications" in done.err


def test_numbers_out_of_range(bottlebank, given):
    folder, commands = given
    photo, output = folder / "photo.png", ["--output", folder / "out.png"]
    for command, option, value, words in (
        ("style", "--strength", 1000, "a number above 0 and below 1,000"),
        ("style", "--steps", 10_001, "at most 10000"),
        ("features", "--units", 33, "at most 32"),
    ):
        done = bottlebank("look", command, *commands[command], photo, option, value, *output)
        assert done.code == 2
        assert words in done.err


def test_advice_names_options_of_the_command(bottlebank, tmp_path, monkeypatch):
    def opened(*_, **__):
        raise UsageError("net.keras takes pictures of any size: choose with --size")

    monkeypatch.setattr(opening, "open_for_extractor", opened)
    output = ["--extractor", "random", "--output", tmp_path / "out.png"]
    done = bottlebank("look", "maximise", "--unit", 3, *output)
    assert "maximise has no --size: train a head with it and give --head" in done.err
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "photo.png")
    done = bottlebank("look", "features", tmp_path / "photo.png", *output)
    assert done.err == "bottlebank: net.keras takes pictures of any size: choose with --size\n"
