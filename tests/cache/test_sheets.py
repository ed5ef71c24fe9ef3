"""Sheets of thumbnails in a cache: found by their images, counted, and removed when useless."""

import io
import os

import numpy as np
import pytest
from PIL import Image

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
    sheets.remove(sheets.useless(contents(1, 2, 3)))
    assert sheets.find(b"8", contents(1, 2, 3))
    assert sheets.find(b"8", contents(3, 4)) is None
    assert Sheets(tmp_path / "nowhere").count() == (0, 0)
    assert list(Sheets(tmp_path / "nowhere").useless([])) == []


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:30],
        lambda whole: whole + b"\0",
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:19] + b"\xff" * 4 + whole[23:],
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
    sheets.remove(odd)
    assert sheets.count()[0] == 2
