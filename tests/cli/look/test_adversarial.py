"""`bottlebank look adversarial`: what is refused before any work, and what is answered."""

from __future__ import annotations

import json

import pytest
from PIL import Image

import bottlebank as bb

from ..conftest import Run


@pytest.fixture
def head(trained, tmp_path):
    """A head file."""
    bb.save_head(trained, tmp_path / "head.h5")
    return tmp_path / "head.h5"


def test_mistakes_are_one_line_and_touch_nothing(bottlebank, head, photos, tmp_path, cache):
    image = photos / "disc" / "03.png"
    output, before = tmp_path / "out.png", image.read_bytes()
    common = ["--head", head, "--cache", cache]
    for arguments, message in [
        ([image, *common], "--output"),
        ([*common, "-o", output], "expected either an IMAGE or --all DATA"),
        ([image, "--all", photos, *common, "-o", output], "either an IMAGE or --all DATA"),
        ([image, "--images", 5, *common, "-o", output], "--images is for --all DATA"),
        (["--all", photos, "--target", "disc", *common, "-o", output], "--target is for an IMAGE"),
        ([image, *common, "-o", image], "it is also the input"),
        ([image, *common, "-o", photos / "checks" / "01.png"], "is not overwritten"),
        ([image, *common, "-o", output, "--save", photos / "checks" / "01.png"], "not overwritten"),
        ([image, *common, "-o", output, "--save", output], "cannot hold two pictures"),
        ([image, *common, "-o", tmp_path / "out.txt"], "ends in .png or .svg"),
        ([image, *common, "-o", output, "--target", "discs"], "did you mean disc"),
        ([image, *common, "-o", output, "--budget", "5"], "expected a budget of 1/255"),
        ([image, *common, "-o", output, "--budget", "1/255,2/255"], "expected one budget"),
        ([image, *common, "-o", output, "--engine", "openvino"], "openvino computes no gradients"),
        (["--all", photos, *common, "-o", photos / "disc" / "c.png"], "inside the dataset"),
        ([tmp_path / "gone.jpg", *common, "-o", output], "gone.jpg"),
        ([head, *common, "-o", output], "head.h5"),
    ]:
        run: Run = bottlebank("look", "adversarial", *arguments)
        assert run.code != 0, arguments
        assert message in run.err
        assert len(run.err.splitlines()) == 1
        assert not output.exists()
    assert image.read_bytes() == before


@pytest.mark.slow
def test_the_changed_file_is_answered_otherwise_by_predict(
    bottlebank, head, photos, tmp_path, cache
):
    image, output = photos / "disc" / "03.png", tmp_path / "new" / "why.png"
    common = ["--head", head, "--cache", cache]
    run = bottlebank(
        *("look", "adversarial", image, *common, "-o", output, "--json", "--budget", "64/255")
    )
    found = run.json
    assert run.code == 0
    assert found["flipped"]
    assert found["saved"] == str(output.with_suffix(".changed.png"))
    assert found["magnified"] == 127 // found["levels"]
    with Image.open(output) as drawn:
        assert drawn.size[0] > 600
    predicted = bottlebank("predict", found["saved"], *common, "--json").json["predictions"]
    assert predicted[0]["label"] == found["changed"]["label"] != found["original"]["label"]
    # Once more over the same files, which are recognised; in words, and unflipped.
    run = bottlebank(
        *("look", "adversarial", image, *common, "-o", output, "--theme", "dark"),
        *("--method", "fgsm", "--budget", "1/255", "--target", found["changed"]["label"]),
    )
    assert run.code == 0
    assert "1/255" in run.out.splitlines()[0]
    run = bottlebank(
        *("look", "adversarial", image, *common, "-o", output, "--engine", "onnxruntime")
    )
    assert run.code == 2
    assert "computes no gradients" in run.err


@pytest.mark.slow
def test_a_curve_says_what_each_budget_does(bottlebank, head, photos, tmp_path, cache):
    output = tmp_path / "curve.svg"
    arguments = ["look", "adversarial", "--all", photos, "--head", head, "--cache", cache]
    arguments += ["-o", output, "--split", "all", "--images", 12, "--steps", 4]
    found = bottlebank(*arguments, "--json", "--budget", "1/255,64/255").json
    assert found["images"] == 12
    assert found["images_of_split"] == 60
    assert [each["levels"] for each in found["budgets"]] == [0, 1, 64]
    assert output.exists()
    assert not output.with_suffix(".partial.json").exists()
    run = bottlebank(*arguments, "--budget", "64/255")
    assert "12 images of the 60 of the split all, PGD" in run.out
    assert f"{found['budgets'][2]['right']:,}" in run.out.splitlines()[3]
    stranger = output.with_suffix(".partial.json")
    stranger.write_text(json.dumps({"mine": 1}))
    run = bottlebank(*arguments)
    assert "is not overwritten" in run.err
    assert stranger.read_text() == '{"mine": 1}'
