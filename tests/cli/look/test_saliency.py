"""`bottlebank look saliency`."""

import re

import bottlebank as bb


def test_the_picture_is_drawn_and_the_figures_printed(bottlebank, trained, table, cache, tmp_path):
    head, output = tmp_path / "head.h5", tmp_path / "new" / "why.png"
    bb.save_head(trained, head)
    its = ("--head", head, "--cache", cache, "--engine", "openvino", "--method", "occlusion")
    its = (*its, "--patch", 32, "--stride", 32, "--output", output)
    done = bottlebank("look", "saliency", table.paths[0], *its, "--json")
    assert done.code == 0, done.err
    assert done.json["output"] == str(output)
    assert done.json["class"] in trained.head.classes
    place = done.json["maximum"]
    assert place is None or 0 <= place["x"] <= 1
    assert output.read_bytes().startswith(b"\x89PNG")
    told = bottlebank("look", "saliency", table.paths[0], *its, "--theme", "dark")
    assert told.code == 0, told.err
    assert "no check with random weights" in told.out
    assert f"wrote {output}" in told.out


def test_wrong_use_is_refused_in_one_line(bottlebank, trained, table, cache, tmp_path):
    head, output = tmp_path / "head.h5", tmp_path / "why.png"
    bb.save_head(trained, head)
    image = table.paths[0]
    its = ("--head", head, "--cache", cache)
    for more, words in (
        (("--output", image), "is not overwritten|also the input"),
        (("--output", output, "--engine", "openvino"), "computes no gradients.*occlusion"),
        (("--output", output, "--patch", 8), "--patch changes nothing of gradcam"),
        (("--output", output), "random shows none: choose the method integrated-gradients"),
    ):
        done = bottlebank("look", "saliency", image, *its, *more)
        assert done.code != 0
        assert len(done.err.splitlines()) == 1
        assert re.search(words, done.err), done.err
    assert not output.exists()
