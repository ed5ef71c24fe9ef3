"""Sheets of thumbnails: what is on them, their budget, and what the cache keeps."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import content_of_bytes
from bottlebank.cache import sheets as kept_sheets
from bottlebank.reports import sprites as module
from bottlebank.reports.sprites import make_sprites
from bottlebank.reports.thumbnails import quick_thumbnail, thumbnail

from .explorer.conftest import colour_of, images_in


def cut(sprites, row):
    """The thumbnail of a row: uint8, (height, width, 3)."""
    sheet, place = divmod(row, sprites.columns**2)
    line, column = divmod(place, sprites.columns)
    pixels = np.asarray(Image.open(io.BytesIO(sprites.sheets[sheet])).convert("RGB"))
    width, height = map(int, sprites.sizes[row])
    y, x = line * sprites.side_px, column * sprites.side_px
    return pixels[y : y + height, x : x + width]


def test_each_image_is_where_its_row_says(tmp_path):
    images = images_in(tmp_path, [f"{number}.png" for number in range(26)], side_px=300)
    sprites = make_sprites(images, 1e6, progress=False)
    assert sprites.side_px == 128
    assert len(sprites.sheets) == 1
    for row in range(26):
        assert sprites.sizes[row].tolist() == ([128, 64] if row % 2 else [128, 128])
        inside = cut(sprites, row)[16:-16, 16:-16].astype(int)  # edges mix with neighbours
        assert np.abs(inside - colour_of(row)).max() < 12


def test_thumbnails_are_smaller_where_the_budget_is(tmp_path):
    random = np.random.default_rng(0)
    images = images_in(tmp_path, [f"{number}.png" for number in range(9)])
    for row, path in enumerate(images.paths):  # noise does not compress
        Image.fromarray(random.integers(0, 256, (150, 100, 3), np.uint8)).save(path)
        images.keys[row] = images.keys[row]._replace(
            content=content_of_bytes(Path(path).read_bytes())
        )
    sides = []
    for budget_bytes in (200_000, 30_000, 8_000, 3_000, 40):
        sprites = make_sprites(images, budget_bytes, progress=False)
        if sprites is None:
            sides.append(0)
            continue
        assert sprites.n_bytes <= budget_bytes
        assert sprites.sizes.max() == sprites.side_px
        sides.append(sprites.side_px)
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == 128
    assert sides[-1] == 0
    assert len(set(sides)) >= 4


def test_an_image_that_has_gone_has_none(tmp_path):
    images = images_in(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "b.png").unlink()
    sprites = make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    assert (sprites.sizes > 0).all(axis=1).tolist() == [True, False, True]
    assert not list(tmp_path.glob("thumbnails/*"))


@pytest.mark.parametrize("draw", [thumbnail, quick_thumbnail])
def test_another_image_under_the_name_is_not_drawn(tmp_path, draw):
    images = images_in(tmp_path, ["帽子.png", "b.png", "c.png"])
    whole = [draw(images, row, 32) for row in range(3)]
    shutil.copy(images.paths[2], images.paths[0])
    assert draw(images, 0, 32) is None
    np.testing.assert_array_equal(draw(images, 2, 32), whole[2])
    with Path(images.paths[1]).open("ab") as file:
        file.write(b"\0")  # whatever it shows, it is another file
    assert draw(images, 1, 32) is None
    images.keys[2] = images.keys[2]._replace(view=3)  # the picture of a view is its file's
    np.testing.assert_array_equal(draw(images, 2, 32), whole[2])


def test_an_image_that_was_replaced_meanwhile_spoils_no_later_page(tmp_path):
    images = images_in(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    first, other = (Path(path) for path in images.paths[:2])
    whole = first.read_bytes()
    first.write_bytes(other.read_bytes())
    sprites = make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    assert (sprites.sizes > 0).all(axis=1).tolist() == [False, True, True]
    first.write_bytes(whole)
    later = make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    for row in range(3):
        assert np.abs(cut(later, row)[16:-16, 16:-16].astype(int) - colour_of(row)).max() < 12


def test_sheets_are_kept_by_content_and_made_again_where_they_are_damaged(tmp_path, monkeypatch):
    images = images_in(tmp_path / "photos", [f"{number}.png" for number in range(5)])
    first = make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    [kept] = (tmp_path / "thumbnails").iterdir()
    whole = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_made", lambda *_: pytest.fail("it is kept"))
        again = make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    assert again.sheets == first.sheets
    assert np.array_equal(again.sizes, first.sizes)
    for damage in (b"", whole[:-1], whole[:9], b"\0" * len(whole)):
        kept.write_bytes(damage)
        assert make_sprites(images, 1e6, kept_in=tmp_path, progress=False).sheets == first.sheets
        assert kept.read_bytes() == whole
    for column in (images.paths, images.keys):
        column.pop()
    make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    assert len(list((tmp_path / "thumbnails").iterdir())) == 2
    monkeypatch.setattr(kept_sheets, "_KEPT_BYTES", len(whole))
    make_sprites(images, 1e6, kept_in=tmp_path, progress=False)
    assert len(list((tmp_path / "thumbnails").iterdir())) == 1
