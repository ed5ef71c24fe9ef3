"""`bottlebank look style`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from bottlebank.cli import main


@pytest.fixture
def pictures(tmp_path):
    """A photograph with a name in another script, and a style in grey with transparency."""
    random = np.random.default_rng(0)
    content, style = tmp_path / "снимок <b>.jpg", tmp_path / "style.png"
    Image.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8)).save(content)
    Image.fromarray(random.integers(0, 256, (70, 64), np.uint8)).convert("LA").save(style)
    return content, style


def look(*arguments):
    return main(["look", "style", *map(str, arguments)])


@pytest.mark.slow
def test_a_picture_is_painted_and_may_be_painted_again(pictures, tmp_path, capfd):
    output, preview = tmp_path / "painted.png", tmp_path / "preview.png"
    given = [*pictures, "--extractor", "efficientnet_lite0", "--size", 64, "--output", output]
    assert look(*given, "--steps", 26, "--preview", preview, "--json") == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["output"] == str(output)
    assert (answer["width"], answer["height"], answer["steps"]) == (64, 48, 26)
    with Image.open(output) as painted, Image.open(preview) as shown:
        assert painted.size == shown.size == (64, 48)
        assert (np.asarray(painted) != np.asarray(shown)).any()
    before = output.read_bytes()
    assert look(*given, "--steps", 1) == 0
    assert output.read_bytes() != before
    assert "снимок <b>.jpg in the style of style.png" in capfd.readouterr().out


def test_a_step_leaves_a_picture_of_the_photographs_shape(pictures, tmp_path, capfd):
    output = tmp_path / "painted.png"
    given = [*pictures, "--extractor", "efficientnet_lite0", "--size", 64, "--output", output]
    assert look(*given, "--style-layers", "conv_stem.relu", "--steps", 1) == 0
    assert "снимок <b>.jpg in the style of style.png" in capfd.readouterr().out
    with Image.open(output) as painted:
        assert painted.size == (64, 48)


def test_photographs_are_never_replaced(pictures, tmp_path, capfd):
    content, style = pictures
    before = style.read_bytes()
    other = tmp_path / "other.png"
    other.write_bytes(before)
    for output in (style, other):
        assert look(content, style, "--output", output) == 2
        assert str(output) in capfd.readouterr().err
    assert style.read_bytes() == other.read_bytes() == before
    assert look(content, style, "--output", tmp_path / "painted.jpg") == 2
    assert "ends in .png" in capfd.readouterr().err
    painted = tmp_path / "painted.png"
    assert look(content, style, "--output", painted, "--preview", content) == 2
    assert not painted.exists()
    preview = tmp_path / "preview.png"
    assert look(content, style, "--output", painted, "--preview", preview, "--steps", 25) == 2
    said = capfd.readouterr().err
    assert "--preview is written after every 25 steps, and --steps is 25: leave it out" in said
    for preview in (
        painted,
        tmp_path / "." / "painted.png",
        painted.parent / "x" / ".." / painted.name,
    ):
        assert look(content, style, "--output", painted, "--preview", preview) == 2
        assert "choose another name for --preview" in capfd.readouterr().err
    assert not painted.exists()
