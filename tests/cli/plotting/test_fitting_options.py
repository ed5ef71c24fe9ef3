"""No option of `plot` is passed over in silence."""

import re

import pytest
from PIL import Image

LAYOUT = {
    "--method": ["tsne"],
    "--perplexity": ["5"],
    "--neighbors": ["5"],
    "--dimensions": ["3"],
    "--fresh": [],
}
THUMBNAILS = {"--thumbnails": [], "--thumbnail-budget": ["3"]}
RECIPE = {
    "--extractor": ["random"],
    "--weights": ["imagenet"],
    "--fit": ["pad"],
    "--grey16": ["stretch"],
    "--size": ["64"],
    "--layer": ["x"],
    "--scaling": ["tf"],
    "--pooling": ["cls"],
    "--store": ["float16"],
}
READING = {"--class-level": ["2"], "--label-column": ["x"], "--images": ["3"]}
SALIENCY = {"--saliency": ["gradcam"]}
OF_IMAGE = {**LAYOUT, **THUMBNAILS, **READING, "--labels": ["l.csv"], **SALIENCY}
OF_DATASET = {**LAYOUT, **THUMBNAILS, **SALIENCY}
CASES = {
    "DATA is an image": ("one.png", [], "x.png", OF_IMAGE),
    **{
        f"--kind {kind}": ("photos", ["--kind", kind], "x.png", {**OF_DATASET, **RECIPE})
        for kind in ("samples", "balance", "sizes")
    },
    "--kind units": ("photos", ["--kind", "units"], "x.png", OF_DATASET),
    "of a picture": ("photos", [], "x.png", {"--thumbnail-budget": ["3"], **SALIENCY}),
    "of the explorer": ("photos", [], "x.html", {"--thumbnails": []}),
    "--format csv": (
        "photos",
        ["--format", "csv"],
        "x.csv",
        {"--thumbnail-budget": ["3"], **SALIENCY},
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An image, and a folder that no case reads."""
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "l.csv").write_text("key,label\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", CASES)
def test_what_changes_nothing_is_named(bottlebank, here, words):
    data, kind, output, options = CASES[words]
    typed = [part for name, values in options.items() for part in (name, *values)]
    done = bottlebank("plot", data, *kind, "-o", output, *typed)
    said = re.sub(r"\s+", " ", done.err)
    assert (done.code, done.out) == (2, "")
    assert words in said
    assert {*re.findall(r"--[\w-]+", said.split(" nothing ")[0])} == {*options}
    for name, values in [*options.items()][:1]:
        one = bottlebank("plot", data, *kind, "-o", output, name, *values)
        assert f"{name} changes nothing" in re.sub(r"\s+", " ", one.err)


def test_labels_of_a_file_need_a_table_and_variables_are_for_all(bottlebank, here, monkeypatch):
    """What is refused here comes later: nothing is passed over, and nothing is refused too much."""
    done = bottlebank("plot", "photos", "--kind", "balance", "-o", "x.png", "--labels", "l.csv",
                      "--extractor", "random", "--size", "64")  # fmt: skip
    assert "changes nothing" not in done.err
    assert "photos" in done.err
    monkeypatch.setenv("BOTTLEBANK_PLOT_METHOD", "tsne")
    for more in (["photos", "--kind", "balance"], ["photos", "--kind", "sizes", "--seed", "3"]):
        done = bottlebank("plot", *more, "-o", "x.png")
        assert done.code != 0
        assert "nothing of" not in done.err
        assert "photos" in done.err
