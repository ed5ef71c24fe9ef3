import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from bottlebank.errors import UsageError
from bottlebank.viz import draw_transfer_values

LOW, HIGH = (to_hex(colormaps["viridis"](end)) for end in (0.0, 1.0))
PADDING = "#dddddd"
RED = np.broadcast_to(np.array([255, 0, 0], np.uint8), (40, 60, 3))


def test_values_fill_the_grid_row_by_row(tmp_path, png_pixels, is_colour):
    # 3 columns and 3 rows: one row high, one row low, one value low, and two cells of padding.
    draw_transfer_values([1, 1, 1, 0, 0, 0, 0], tmp_path / "values.png", "hat.jpg")
    pixels = png_pixels(tmp_path / "values.png")
    places = {colour: np.argwhere(is_colour(pixels, colour)) for colour in (LOW, HIGH, PADDING)}
    cell = len(places[HIGH]) / 3
    assert len(places[LOW]) == pytest.approx(4 * cell, rel=0.1)
    rows = {colour: place.mean(axis=0)[0] for colour, place in places.items()}
    assert rows[HIGH] < rows[LOW] < rows[PADDING]
    assert places[PADDING].max(axis=0)[1] > places[PADDING].min(axis=0)[1] + 1.8 * cell**0.5


@pytest.mark.parametrize("n_values", [1, 2, 9, 1280, 2048])
def test_any_width_can_be_drawn(n_values, tmp_path, svg_texts):
    values = np.linspace(-1, 3, n_values, dtype=np.float32)
    draw_transfer_values(values, tmp_path / "values.svg", "hat.jpg")
    noun = "transfer value" if n_values == 1 else "transfer values"
    assert any(
        text.startswith(f"{n_values:,} {noun}, row by row: smallest -1, mean ")
        for text in svg_texts(tmp_path / "values.svg")
    )


def test_the_caption_sums_the_values_up(tmp_path, svg_texts):
    draw_transfer_values([0, 0, 0, 2], tmp_path / "values.svg", "$1_000$.jpg")
    words = " ".join(svg_texts(tmp_path / "values.svg"))
    assert "4 transfer values, row by row: smallest 0, mean 0.5, largest 2, 75 % zero" in words
    assert "$1_000$.jpg" in words


def test_the_image_stands_beside_its_values(tmp_path, png_pixels, is_colour):
    draw_transfer_values(np.ones(16), tmp_path / "alone.png", "hat.jpg")
    assert is_colour(png_pixels(tmp_path / "alone.png"), "#ff0000").sum() == 0
    draw_transfer_values(np.r_[np.zeros(8), np.ones(8)], tmp_path / "both.png", "hat.jpg", RED)
    pixels = png_pixels(tmp_path / "both.png")
    red = np.argwhere(is_colour(pixels, "#ff0000"))
    (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0)
    assert (right - left) / (bottom - top) == pytest.approx(60 / 40, rel=0.02)
    assert right < np.argwhere(is_colour(pixels, HIGH)).min(axis=0)[1]


def test_equal_values_are_no_error(tmp_path, svg_texts):
    draw_transfer_values(np.zeros(5), tmp_path / "values.svg", "black.jpg")
    words = " ".join(svg_texts(tmp_path / "values.svg"))
    assert "smallest 0, mean 0, largest 0, 100 % zero" in words


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e308, -1e300, 5e-324])
def test_uninitialised_memory_is_not_drawn(rubbish, tmp_path, monkeypatch):
    draw_transfer_values(np.arange(7.0), tmp_path / "clean.png", "hat.jpg")
    new_memory = np.empty

    def with_rubbish(*arguments, **options):
        memory = new_memory(*arguments, **options)
        if memory.dtype.kind == "f":
            memory[...] = rubbish
        return memory

    monkeypatch.setattr(np, "empty", with_rubbish)
    draw_transfer_values(np.arange(7.0), tmp_path / "drawn.png", "hat.jpg")
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / "clean.png").read_bytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3)), r"numbers, \(d,\), not float64 \(2, 3\)"),
        (np.zeros(0), r"not float64 \(0,\)"),
        (["a"], r"not <U1 \(1,\)"),
        ([1.0, np.nan], "1 of 2 are NaN or infinite"),
    ],
)
def test_other_values_are_refused(values, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_transfer_values(values, tmp_path / "values.png", "hat.jpg")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RED / 255.0, r"not float64 \(40, 60, 3\)"),
        (RED[:, :, 0], r"not uint8 \(40, 60\)"),
        (RED[:0], r"not uint8 \(0, 60, 3\)"),
    ],
)
def test_other_images_are_refused(image, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_transfer_values([1.0], tmp_path / "values.png", "hat.jpg", image)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_transfer_values([1.0], tmp_path / "values.jpg", "hat.jpg")
