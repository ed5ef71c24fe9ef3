"""`bottlebank look features` draws what Python finds, and refuses before any work."""

import pytest
from PIL import Image


def test_it_draws_and_answers(bottlebank, photos, options, tmp_path):
    output = tmp_path / "seen" / "maps.png"
    image = photos / "disc" / "03.png"
    more = ["--units", 2, "--theme", "dark", "--output", output, "--json"]
    done = bottlebank("look", "features", image, "--data", photos, *options, *more)
    assert done.code == 0, done.err
    (layer,) = done.json["layers"]
    assert layer["compared_with"] == 59
    assert len(layer["units"]) == 2
    with Image.open(output) as picture:
        assert picture.width > 500
        assert max(picture.convert("RGB").getpixel((2, 2))) < 60


def test_it_refuses_before_any_work(bottlebank, photos, options, tmp_path):
    image = photos / "disc" / "03.png"
    kept = image.read_bytes()
    for arguments, words in (
        ([image, *options, "--output", image], "also the input"),
        ([image, *options, "--output", tmp_path / "maps.jpg"], "ends in .png or .svg"),
        ([image, "--output", tmp_path / "maps.png"], "--extractor NAME or --head"),
        (
            [image, *options, "--images", 9, "--output", tmp_path / "maps.png"],
            "--images is for --data: leave it out",
        ),
        (
            [image, *options, "--layers", "a", "--output", tmp_path / "maps.png"],
            "layers of random cannot be looked at",
        ),
        (
            [image, *options, "--data", photos, "--output", photos / "disc" / "maps.png"],
            "inside the dataset",
        ),
    ):
        done = bottlebank("look", "features", *arguments)
        assert (done.code, done.out) == (2, ""), words
        assert words in done.err
    done = bottlebank("look", "features", tmp_path / "no.png", *options, "--output", "maps.png")
    assert done.code == 1
    assert "no.png" in done.err
    assert image.read_bytes() == kept
    assert not (tmp_path / "maps.png").exists()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_names_are_shown_as_they_are(tmp_path, suffix):
    import numpy as np

    from bottlebank.interpret.feature_maps import FeatureMaps, LayerSeen, UnitSeen
    from bottlebank.reports.looks.features import draw_features

    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    unit = UnitSeen(7, 1.5, None, values, [])
    flat = UnitSeen(8, 0.0, None, np.zeros((3, 4), np.float32), [])
    layers = [LayerSeen("<script>$x$", (3, 4, 9), [unit, flat], 0)]
    seen = FeatureMaps("照片<b>.png", "network", np.zeros((5, 9, 3), np.uint8), layers)
    draw_features(seen, tmp_path / f"maps.{suffix}")
    if suffix == "svg":
        text = (tmp_path / "maps.svg").read_text()
        assert "<script>" not in text
        assert "&lt;script&gt;$x$" in text


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([0, 0], "the greatest activation"),
        ([59, 59], "above the mean of 59 photographs, and"),
        ([1, 1], "above the mean of 1 photograph, and"),
        (
            [60, 1199],
            "(of all 1,199 for layer 1, of 60 of them, drawn at random, for other layers)",
        ),
        ([0, 7], "above the mean of 7 photographs, and"),
    ],
)
def test_the_caption_says_with_which_photographs_units_were_compared(tmp_path, counts, words):
    import numpy as np

    from bottlebank.interpret.feature_maps import FeatureMaps, LayerSeen, UnitSeen
    from bottlebank.reports.looks.features import draw_features

    unit = UnitSeen(7, 1.5, 2.0, np.zeros((3, 4), np.float32), [])
    layers = [LayerSeen(f"layer {place}", (3, 4, 9), [unit], n) for place, n in enumerate(counts)]
    seen = FeatureMaps("a.png", "network", np.zeros((5, 9, 3), np.uint8), layers)
    assert words in draw_features(seen, tmp_path / "maps.svg")


def test_many_units_stand_on_several_lines(tmp_path):
    import numpy as np

    from bottlebank.interpret.feature_maps import MOST_UNITS, FeatureMaps, LayerSeen, UnitSeen
    from bottlebank.reports.looks.features import draw_features

    values = np.zeros((3, 4), np.float32)
    units = [UnitSeen(number, 1.5, None, values, []) for number in range(MOST_UNITS)]
    layers = [LayerSeen("layer", (3, 4, 9), units, 0)]
    seen = FeatureMaps("a.png", "network", np.zeros((5, 9, 3), np.uint8), layers)
    draw_features(seen, tmp_path / "maps.png")
    with Image.open(tmp_path / "maps.png") as picture:
        assert max(picture.size) < 2100
