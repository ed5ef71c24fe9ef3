"""Sheets of thumbnails in a cache: found by their images, counted, and removed when useless."""

import hashlib
import io
import os

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import made_again
from bottlebank.cache.sheets import FOLDER, Sheet, Sheets


def contents(*numbers):
    return [bytes([number]) * 32 for number in numbers]


def a_sheet(n):
    file = io.BytesIO()
    Image.new("RGB", (8 * n, 8), (200, 10, 10)).save(file, "WEBP")
    return Sheet(file.getvalue(), np.full((n, 2), 8, np.uint8))


@pytest.fixture
def sheets(tmp_path):
    kept = Sheets(tmp_path)
    for numbers in ((1, 2, 3), (3, 4)):
        kept.keep(b"8", contents(*numbers), a_sheet(len(numbers)))
    return kept


def test_a_sheet_is_found_by_its_images_in_their_order_and_how_it_is_made(sheets):
    found = sheets.find(b"8", contents(1, 2, 3))
    assert found.picture == a_sheet(3).picture
    assert found.sizes.tolist() == [[8, 8]] * 3
    assert sheets.find(b"8", contents(3, 2, 1)) is None
    assert sheets.find(b"9", contents(1, 2, 3)) is None
    assert sheets.find(b"8", contents(1, 2)) is None


def test_one_is_useless_without_all_of_its_images(sheets, tmp_path):
    n_sheets, n_bytes = sheets.count()
    files = [*(tmp_path / FOLDER).iterdir()]
    assert (n_sheets, n_bytes) == (2, sum(file.stat().st_size for file in files))
    assert list(sheets.useless(contents(1, 2, 3, 4, 5))) == []
    made_again.remove(sheets.useless(contents(1, 2, 3)))
    assert sheets.find(b"8", contents(1, 2, 3))
    assert sheets.find(b"8", contents(3, 4)) is None
    assert Sheets(tmp_path / "nowhere").count() == (0, 0)
    assert list(Sheets(tmp_path / "nowhere").useless([])) == []


def sealed(whole, rest):
    """A sheet whose hash is right, whatever follows it."""
    return whole[:19] + hashlib.sha256(rest).digest() + rest


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:30],
        lambda whole: whole + b"\0",
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:51] + b"\xff" * 4 + whole[55:],
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        lambda whole: whole.replace(b"\x08\x08", b"\x08\x07", 1),
        lambda whole: sealed(whole, (1 << 31).to_bytes(4, "little") + whole[55:]),
        lambda whole: sealed(whole, bytes(4)),
        lambda whole: sealed(whole, b""),
        lambda whole: sealed(whole, whole[51:115]),
    ],
)
def test_what_is_damaged_is_not_found_and_useless(sheets, tmp_path, harm):
    for path in (tmp_path / FOLDER).iterdir():
        path.write_bytes(harm(path.read_bytes()))
    assert sheets.find(b"8", contents(1, 2, 3)) is None
    assert len([*sheets.useless(contents(1, 2, 3, 4))]) == 2


def test_what_is_no_file_is_removed_and_waits_for_nobody(sheets, tmp_path):
    odd = [tmp_path / FOLDER / f"{name}.sheet" for name in ("pipe", "folder")]
    os.mkfifo(odd[0])
    odd[1].mkdir()
    assert {*sheets.useless(contents(1, 2, 3, 4))} == {*odd}
    made_again.remove(odd)
    assert sheets.count()[0] == 2


@pytest.mark.parametrize("n_bytes", [6 << 30, (1 << 24) + 1])
def test_what_is_too_large_is_not_read(sheets, tmp_path, n_bytes):
    for path in (tmp_path / FOLDER).iterdir():
        os.truncate(path, n_bytes)
    assert sheets.find(b"8", contents(1, 2, 3)) is None
    assert len([*sheets.useless(contents(1, 2, 3, 4))]) == 2


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.sheet").write_text("my own file")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / FOLDER).symlink_to(mine, target_is_directory=True)
    sheets = Sheets(tmp_path / "cache")
    sheets.keep(b"8", contents(1, 2), a_sheet(2))
    assert sheets.find(b"8", contents(1, 2)) is None
    assert sheets.count() == (0, 0)
    assert [*sheets.useless([])] == []
    sheets.make_room()
    assert [path.name for path in mine.iterdir()] == ["a.sheet"]
