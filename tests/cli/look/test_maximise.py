"""`bottlebank look maximise` keeps what it makes, and refuses before any work."""

import pytest
from PIL import Image

from bottlebank.interpret.opening import require_gradients


@pytest.mark.slow
def test_it_draws_keeps_and_goes_on(bottlebank, head, cache, tmp_path):
    output = tmp_path / "seen" / "grid.png"
    more = ["--steps", 8, "--cache", cache, "--output", output, "--json"]
    call = ["look", "maximise", "--head", head, *more]
    done = bottlebank(*call, "--class", "disc")
    assert done.code == 0, done.err
    done = bottlebank(*call, "--class", "all", "--theme", "dark")
    pictures = done.json["pictures"]
    assert [each["class"] for each in pictures] == ["checks", "disc", "stripes"]
    assert [each["was_kept"] for each in pictures] == [False, True, False]
    files = {each["file"] for each in pictures}
    assert files == {str(path) for path in (tmp_path / "seen" / "grid-cells").iterdir()}
    with Image.open(output) as picture:
        assert picture.width > 500
    told = bottlebank(*call[:-1], "--unit", "0-1,3").out
    assert told.count("unit ") >= 3


def test_it_refuses_before_any_work(bottlebank, head, photos, tmp_path, monkeypatch):
    def opened(*_, **settings):
        require_gradients(settings["engine"])
        raise AssertionError("the network is opened")

    monkeypatch.setattr("bottlebank.cli.look.maximise.open_network", opened)
    photo = photos / "disc" / "03.png"
    grid = tmp_path / "grid.png"
    (tmp_path / "full-cells").write_text("mine")
    plain = ["--extractor", "random"]
    for arguments, words in (
        ([*plain, "--unit", 0, "--output", photo], "not a picture that bottlebank has drawn"),
        ([*plain, "--unit", 0, "--output", tmp_path / "full.png"], "a file of that name"),
        ([*plain, "--output", grid], "Give --unit"),
        (["--unit", 0, "--output", grid], "--extractor NAME or --head"),
        ([*plain, "--class", "all", "--output", grid], "--class is of a head"),
        ([*plain, "--unit", "3-1", "--output", grid], "received '3-1'"),
        ([*plain, "--unit", "one", "--output", grid], "received 'one'"),
        (["--head", head, "--class", "all", "--scaling", "tf", "--output", grid], "from the head"),
        (["--head", head, "--class", "disk", "--output", grid], "did you mean disc"),
        (["--head", head, "--class", "disc", "--layer", "x", "--output", grid], "leave one out"),
        ([*plain, "--engine", "openvino", "--unit", 0, "--output", grid], "computes no gradients"),
    ):
        done = bottlebank("look", "maximise", *arguments)
        assert (done.code, done.out) == (2, ""), (words, done.err)
        assert words in done.err
    assert not grid.exists()
    assert not (tmp_path / "grid-cells").exists()


@pytest.mark.parametrize("n", [1, 17])
def test_grids_of_any_length_and_names_in_any_script(tmp_path, n):
    import numpy as np

    from bottlebank.interpret.maximised_pictures import Maximised, Picture
    from bottlebank.reports.looks.maximise import draw_maximised

    names = ["قميص", "<script>", "帽子", "👟", "$x$"] * 4
    pixels = np.zeros((8, 8, 3), np.uint8)
    pictures = [Picture(names[place], pixels, 1.0, 0.5, False, None, False) for place in range(n)]
    draw_maximised(Maximised("network", None, pictures), tmp_path / "grid.svg")
    text = (tmp_path / "grid.svg").read_text()
    assert "<script>" not in text
    assert "50.0 %" in text
