"""A head beside options of an extraction: how transfer values are made is the head's."""

import pytest
from PIL import Image

ITS_OWN = {
    "--fit": "crop",
    "--grey16": "stretch",
    "--size": "96",
    "--layer": "top",
    "--scaling": "tf",
    "--pooling": "mean",
    "--store": "float16",
}
COMMANDS = {"audit": [], "plot": ["--color", "mistake", "-o", "map.png"]}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ITS_OWN)
def test_what_a_head_says_is_refused_beside_it(bottlebank, tmp_path, command, option):
    given = [*COMMANDS[command], "--head", "h.h5", option, ITS_OWN[option]]
    done = bottlebank(command, tmp_path, *given)
    assert (done.code, done.out) == (2, "")
    assert f"{option} comes from the head h.h5" in done.err
    assert "leave it out beside --head" in done.err


def test_all_of_them_are_named(bottlebank, tmp_path):
    given = ["--head", "h.h5", "--fit", "crop", "--size", "96", "--store", "float16"]
    done = bottlebank("audit", tmp_path, *given)
    assert "--fit and --size and --store come from the head h.h5" in done.err


@pytest.mark.slow
def test_a_map_and_an_audit_take_the_transfer_values_of_the_head(
    bottlebank, photos, options, tmp_path
):
    head, place = tmp_path / "h.h5", ["--cache", options[-1]]
    own = [*options, "--fit", "pad", "--grey16", "stretch"]
    assert bottlebank("train", photos, "--output", head, *own).code == 0
    over = [photos, "--head", head, *place]
    assert "predicted by the head" in bottlebank("audit", *over).out
    for name, more in (("m.html", []), ("m.png", ["--color", "mistake"])):
        drawn = bottlebank("plot", *over, *more, "-o", tmp_path / name)
        assert (drawn.code, "60 images" in drawn.out) == (0, True), drawn.err
    (recipe,) = bottlebank("cache", "info", *place, "--json").json["recipes"]  # no second one
    assert (recipe["recipe"]["fit"], recipe["recipe"]["grey16"]) == ("pad", "stretch")
    for command, needed in COMMANDS.items():
        other = bottlebank(command, *over, "--extractor", "mobilenet_v2", *needed)
        assert other.code == 1
        assert "was trained on random, not on mobilenet_v2" in other.err


@pytest.mark.parametrize("kind", ["samples", "balance", "sizes", "units"])
def test_a_picture_that_is_no_map_has_no_head(bottlebank, tmp_path, kind):
    for more in (["--head", "h.h5"], ["--color", "split"]):
        done = bottlebank("plot", tmp_path, "--kind", kind, *more, "-o", "x.png")
        assert done.code == 2
        assert f"--color and --head are of a map: leave them out beside --kind {kind}" in done.err
    one = tmp_path / "one.png"
    Image.new("RGB", (8, 8)).save(one)
    alone = bottlebank("plot", one, "--head", "h.h5", "--color", "mistake", "-o", "x.png")
    assert alone.code == 2
    assert "--color and --head are for a dataset" in alone.err
