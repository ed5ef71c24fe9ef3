"""The transfer values of one image, drawn from Python."""

import pytest

from bottlebank.errors import BottlebankError, ImageRejectedError, UsageError
from bottlebank.reports.image_heatmap import plot_image


@pytest.fixture
def settings(cache):
    return {"extractor": "random", "cache": cache, "engine": "openvino", "precision": "float32"}


def test_the_values_of_an_image_are_drawn(photos, settings, tmp_path):
    output = tmp_path / "new" / "values.svg"
    title = plot_image(str(photos / "disc" / "00.png"), output, **settings)
    assert title == "00.png: 512 transfer values of random"
    assert title in output.read_text()


def test_what_cannot_be_drawn(photos, settings, tmp_path):
    image = str(photos / "disc" / "00.png")
    with pytest.raises(UsageError, match=r"a picture is a \.png or \.svg file"):
        plot_image(image, tmp_path / "values.jpg", **settings)
    (tmp_path / "file").touch()
    with pytest.raises(BottlebankError, match="the folder .*file cannot be made: "):
        plot_image(image, tmp_path / "file" / "values.png", **settings)
    with pytest.raises(ImageRejectedError, match="more than the 100"):
        plot_image(image, tmp_path / "values.png", max_pixels=100, **settings)
    (tmp_path / "words.png").write_text("words")
    with pytest.raises(ImageRejectedError, match=r"words\.png: .*looks like text"):
        plot_image(str(tmp_path / "words.png"), tmp_path / "values.png", **settings)
