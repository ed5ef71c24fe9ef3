"""Images that were made: the pixels come back, and the file is known as bottlebank's own."""

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import BottlebankError, UsageError
from bottlebank.reports.looks.made_image import write_image
from bottlebank.reports.output_paths import MADE_IMAGE, require_output


def test_it_is_written_into_a_folder_that_is_made_and_may_be_replaced(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    output = tmp_path / "كتاب" / "<b> 猫.png"
    write_image(pixels, output)
    with Image.open(output) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert require_output(output, MADE_IMAGE) == output
    write_image(255 - pixels, output)
    with Image.open(output) as image:
        np.testing.assert_array_equal(np.asarray(image), 255 - pixels)
    assert [each.name for each in output.parent.iterdir()] == [output.name]


def test_pictures_of_others_are_none(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    with pytest.raises(UsageError, match="is not an image without captions that bottlebank has"):
        require_output(tmp_path / "photo.png", MADE_IMAGE)


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BottlebankError, match=r"painted\.png cannot be written"):
        write_image(np.zeros((2, 2, 3), np.uint8), tmp_path / "file" / "painted.png")
