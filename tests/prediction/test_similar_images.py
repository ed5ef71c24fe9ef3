import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import bottlebank as bb
from bottlebank.errors import ImageRejectedError, UsageError, WrongTypeError

from ..toys.toy_table import noise, toy_rows, toy_table

NAMES = ["1.png", "<script>.png", "猫 2.png", "=cmd.png", "قطة.png", "🎩.png", "new\nline.png"]


@pytest.fixture
def toy(tmp_path):
    """A table of seven pictures, of which the last file has the bytes of the first."""
    paths = [noise(tmp_path / "photos" / name, seed) for seed, name in enumerate(NAMES)]
    (tmp_path / "photos" / NAMES[-1]).write_bytes((tmp_path / "photos" / NAMES[0]).read_bytes())
    features, _ = toy_rows(7, 7)
    features[6] = features[0]
    return toy_table(features, ["hat", "", "帽子", "hat", "", "<b>", "hat"], tmp_path, paths=paths)


def test_an_image_of_the_table_is_named_apart_from_those_like_it(toy):
    found = bb.similar(toy.paths[0], toy, 3)
    assert [(each.path, each.label, each.row) for each in found.same] == [
        (toy.paths[0], "hat", 0),
        (toy.paths[6], "hat", 6),
    ]
    rows = toy.features / np.linalg.norm(toy.features, axis=1, keepdims=True)
    expected = [row for row in np.argsort(-rows @ rows[0], kind="stable") if row not in (0, 6)]
    assert [each.row for each in found] == expected[:3]
    assert [each.similarity for each in found] == pytest.approx(
        (rows[expected[:3]] @ rows[0]).tolist(), abs=1e-6
    )
    assert found[0].key == str(toy.keys[found[0].row])
    assert found.image == toy.paths[0]
    assert len(bb.similar(toy.paths[0], toy, 100)) == 5


def test_the_bytes_of_a_file_are_as_good_as_its_path(toy):
    with open(toy.paths[2], "rb") as file:
        data = file.read()
        of_path = bb.similar(toy.paths[2], toy)
        for given in (data, bytearray(data), io.BytesIO(data)):
            found = bb.similar(given, toy)
            assert (found.nearest, found.same) == (of_path.nearest, of_path.same)
            assert found.image == ""


def test_what_cannot_be_compared_is_refused(toy, tmp_path):
    with pytest.raises(ImageRejectedError, match=r"gone.jpg: .*No such file"):
        bb.similar(tmp_path / "gone.jpg", toy)
    with pytest.raises(UsageError, match="expected one image file, received the folder"):
        bb.similar(tmp_path, toy)
    with pytest.raises(WrongTypeError, match=r"bb.similar\(image, bb.extract\('photos/'"):
        bb.similar(toy.paths[0], "photos/")
    for top in (0, -1, 1.5, "3", True):
        with pytest.raises(UsageError, match="top"):
            bb.similar(toy.paths[0], toy, top)
    with pytest.raises(UsageError, match="unknown engine"):
        bb.similar(toy.paths[0], toy, engine="steam")


@pytest.mark.slow
def test_a_new_image_is_computed_as_those_of_the_table(table, tmp_path):
    picture = Image.open(table.paths[7])
    text = PngImagePlugin.PngInfo()
    text.add_text("remark", "other bytes, the same pixels")
    picture.save(tmp_path / "again.png", pnginfo=text)
    for image in (tmp_path / "again.png", picture, np.asarray(picture)):
        found = bb.similar(image, table, 5)
        assert found.same == []
        assert found[0].row == 7
        assert found[0].similarity == pytest.approx(1, abs=1e-5)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(ImageRejectedError, match="broken.png: "):
        bb.similar(tmp_path / "broken.png", table)
