import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from bottlebank.errors import UsageError
from bottlebank.viz import Embedding, draw_map
from bottlebank.viz.maps import _apart
from bottlebank.viz.palette import class_style

AXES_PX = 7 * 150
WEIRD_NAMES = [
    "_hidden",
    "$\\frac{1}$",
    "$",
    "帽子",
    "قبعة",
    "🎩👩‍👩‍👧",
    "<b>&amp;",
    "\udc80",
    "nul\x00",
    "two\nlines",
    "",
    "long " * 100,
]


def embedding_of(points, method="tsne") -> Embedding:
    return Embedding(np.asarray(points, np.float32), method, "t-SNE, perplexity 30, seed 0")


def circle(n_points: int) -> Embedding:
    angles = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    return embedding_of(np.c_[np.cos(angles), np.sin(angles)])


def test_the_legend_names_every_class_with_its_count(tmp_path, svg_texts):
    labels = ["hat"] * 1200 + ["coat"] * 30 + ["_shoe"] + ["$bag$"] * 2
    draw_map(circle(len(labels)), labels, tmp_path / "map.svg", "Photos of $clothes$")
    texts = svg_texts(tmp_path / "map.svg")
    named = [text for text in texts if text.endswith(")")]
    assert named == ["$bag$ (2)", "_shoe (1)", "coat (30)", "hat (1,200)"]
    assert "Photos of $clothes$" in texts
    assert "1,233 images. t-SNE, perplexity 30, seed 0" in texts


@pytest.mark.parametrize("n_classes", [2, 10])
def test_every_class_is_drawn_in_its_colour(n_classes, tmp_path, png_pixels, is_colour):
    labels = [f"class {number:02d}" for number in range(n_classes)] * 5
    draw_map(circle(len(labels)), labels, tmp_path / "map.png", "Circle")
    pixels = png_pixels(tmp_path / "map.png")
    inside_the_axes = pixels[:, :AXES_PX]
    for index in range(min(n_classes, 7)):
        assert is_colour(inside_the_axes, class_style(index).colour).sum() > 100


def test_points_lie_where_the_embedding_says(tmp_path, png_pixels, is_colour):
    corners = embedding_of([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    draw_map(corners, ["a", "b", "c", "d"], tmp_path / "map.png", "Corners")
    pixels = png_pixels(tmp_path / "map.png")[:, :AXES_PX]
    rows, columns = np.transpose(
        [
            np.argwhere(is_colour(pixels, class_style(index).colour)).mean(axis=0)
            for index in range(4)
        ]
    )
    assert rows[0] == pytest.approx(rows[1], abs=2)
    assert columns[1] == pytest.approx(columns[2], abs=2)
    assert rows[2] < rows[1] - 300
    # Equal aspect: the square stays a square.
    assert columns[1] - columns[0] == pytest.approx(rows[1] - rows[2], abs=4)


def test_a_small_class_is_drawn_over_a_large_one(tmp_path, png_pixels, is_colour):
    everywhere = np.zeros((401, 2))
    for names in (("many", "one"), ("a lot", "Z")):
        labels = [names[0]] * 400 + [names[1]]
        style = class_style(sorted(names).index(names[1]))
        draw_map(embedding_of(everywhere), labels, tmp_path / "map.png", "One place")
        pixels = png_pixels(tmp_path / "map.png")[:, :AXES_PX]
        assert is_colour(pixels, style.colour).sum() > 50


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_weird_names_neither_fail_nor_warn(suffix, tmp_path, svg_texts):
    output = tmp_path / f"map{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_map(circle(len(WEIRD_NAMES)), WEIRD_NAMES, output, "$\\frac{ 帽子 \udc80\x07")
    if suffix == ".svg":
        texts = svg_texts(output)
        assert sum(text.endswith(" (1)") for text in texts) == len(WEIRD_NAMES)
        for shown in ("_hidden", "$\\frac{1}$", "帽子", "<b>&amp;", "\ufffd", "two lines"):
            assert f"{shown} (1)" in texts
        assert "$\\frac{ 帽子 \ufffd\ufffd" in texts


def test_long_names_in_columns_stay_apart(tmp_path, svg_texts):
    names = [f"apple variety {number:02d} from the old orchard" for number in range(40)]
    draw_map(circle(40), names, tmp_path / "map.svg", "apples")
    entries = [text for text in svg_texts(tmp_path / "map.svg") if text.endswith("(1)")]
    assert len(set(entries)) == 40


def test_of_too_many_classes_the_largest_are_named(tmp_path, svg_texts):
    sizes = {f"class {number:03d}": 1 + number % 3 for number in range(150)}
    labels = [name for name, size in sizes.items() for _ in range(size)]
    draw_map(circle(len(labels)), labels, tmp_path / "map.svg", "Many")
    texts = svg_texts(tmp_path / "map.svg")
    assert "… and 49 more" in texts
    named = {text.split(" (")[0] for text in texts if text.startswith("class")}
    assert len(named) == 101
    assert named >= {name for name, size in sizes.items() if size > 1}


@pytest.mark.parametrize("n_classes", [1, 34, 150])
def test_nothing_is_cut_off(n_classes, tmp_path, png_pixels):
    labels = [f"{number} a rather long name of a class, it is" for number in range(n_classes)]
    draw_map(circle(n_classes), labels, tmp_path / "map.png", "A long title " * 20)
    pixels = png_pixels(tmp_path / "map.png")
    assert pixels.min() < 0.5
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


def test_only_pca_has_axes_with_a_meaning(tmp_path, svg_texts):
    for method in ("pca", "umap"):
        points = embedding_of([[0, 0], [40, 40]], method)
        draw_map(points, ["a", "b"], tmp_path / f"{method}.svg", "Axes")
    assert {"principal component 1", "principal component 2", "20"} <= set(
        svg_texts(tmp_path / "pca.svg")
    )
    assert len(svg_texts(tmp_path / "umap.svg")) == 4  # title, caption and two classes


def test_very_many_points_become_one_image_in_an_svg(tmp_path, svg_texts):
    n_points = 20_001
    draw_map(circle(n_points), ["dot"] * n_points, tmp_path / "map.svg", "Circle")
    assert (tmp_path / "map.svg").stat().st_size < 500_000
    assert "dot (20,001)" in svg_texts(tmp_path / "map.svg")


def test_a_missing_label_is_refused(tmp_path):
    with pytest.raises(UsageError, match="3 points and 2 labels"):
        draw_map(circle(3), ["a", "b"], tmp_path / "map.png", "Circle")


def test_another_ending_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "__init__", None)  # drawing would fail with a TypeError
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_map(circle(2), ["a", "b"], tmp_path / "map.gif", "Circle")


def test_thumbnails_lie_on_their_points_in_frames_of_their_classes(tmp_path, png_pixels, is_colour):
    red = np.full((30, 60, 3), (255, 0, 0), np.uint8)
    corners = embedding_of([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    asked = []

    def thumbnail_of(row):
        asked.append(row)
        return None if row == 3 else red

    draw_map(corners, ["a", "b", "c", "d"], tmp_path / "map.png", "Corners", thumbnail_of)
    pixels = png_pixels(tmp_path / "map.png")[:, :AXES_PX]
    is_red = is_colour(pixels, "#ff0000")
    assert sorted(asked) == [0, 1, 2, 3]
    height, width = len(pixels) // 2, pixels.shape[1] // 2
    quarters = [is_red[height:, :width], is_red[height:, width:], is_red[:height, width:]]
    n_red = [quarter.sum() for quarter in quarters]
    assert min(n_red) > 2000
    assert is_red[:height, :width].sum() == 0
    for index in (0, 1, 2):
        assert is_colour(pixels, class_style(index).colour).sum() > 150


def test_no_two_thumbnails_overlap(tmp_path):
    places = np.random.default_rng(0).normal(size=(5000, 2)) * 100
    kept = places[_apart(places, 20.0)]
    apart = np.abs(kept[:, None] - kept[None]).max(axis=2)
    assert apart[~np.eye(len(kept), dtype=bool)].min() >= 20
    # Each point has one within reach: no more fit.
    assert np.abs(places[:, None] - kept[None]).max(axis=2).min(axis=1).max() < 20


def test_images_without_classes_are_of_one_colour_and_have_no_legend(tmp_path, svg_texts):
    draw_map(circle(12), [""] * 12, tmp_path / "map.svg", "Photos")
    words = {"Photos", "12 images. t-SNE, perplexity 30, seed 0"}
    assert set(svg_texts(tmp_path / "map.svg")) == words
