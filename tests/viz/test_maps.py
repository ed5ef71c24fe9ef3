import logging
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from bottlebank.errors import UsageError
from bottlebank.viz import Embedding, draw_map
from bottlebank.viz.colourings import Colouring
from bottlebank.viz.maps import _apart
from bottlebank.viz.palette import class_style
from bottlebank.viz.text import font_families
from bottlebank.viz.theme import DARK, LIGHT

AXES_PX = int((7.4 + 0.2) * 150)
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


@pytest.mark.parametrize("n_classes", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_every_class_is_drawn_in_its_colour(n_classes, tmp_path, png_pixels, is_colour):
    labels = [f"class {number:02d}" for number in range(n_classes)] * 5
    draw_map(circle(len(labels)), labels, tmp_path / "map.png", "Circle")
    pixels = png_pixels(tmp_path / "map.png")
    inside_the_axes = pixels[:, :AXES_PX]
    for index in range(n_classes):
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


@pytest.mark.parametrize("n_classes", [1, 60])
def test_nothing_is_cut_off(n_classes, tmp_path, png_pixels):
    labels = [f"{number} a rather long name of a class, it is" for number in range(n_classes)]
    draw_map(circle(n_classes), labels, tmp_path / "map.png", "A long title " * 20)
    pixels = png_pixels(tmp_path / "map.png")
    assert pixels.min() < 0.5
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


def test_only_pca_has_axes_with_a_meaning(tmp_path, svg_texts):
    for method, shares in (("pca", (0.625, 0.25)), ("umap", ())):
        points = embedding_of([[0, 0], [40, 40]], method)._replace(shares=shares)
        draw_map(points, ["a", "b"], tmp_path / f"{method}.svg", "Axes")
    assert {
        "principal component 1 (62 % of the variance)",
        "principal component 2 (25 % of the variance)",
        "20",
    } <= set(svg_texts(tmp_path / "pca.svg"))
    # Title, caption, and the two classes in the legend and at their points.
    caption = "2 images. t-SNE, perplexity 30, seed 0"
    words = svg_texts(tmp_path / "umap.svg")
    assert sorted(words) == [caption, "Axes", "a", "a (1)", "b", "b (1)"]


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


@pytest.mark.parametrize("points", [[[-1, 0], [1, 0]], [[0, -1], [0, 9], [3, 4]]])
def test_thumbnails_stay_within_the_frame(points, tmp_path, png_pixels, is_colour):
    red = np.full((30, 30, 3), (255, 0, 0), np.uint8)
    arguments = (embedding_of(points), ["a"] * len(points), tmp_path / "map.png", "Edge")
    draw_map(*arguments, lambda _: red)
    pixels = png_pixels(tmp_path / "map.png")
    frame = np.argwhere(is_colour(pixels, LIGHT.line))
    (top, left), (bottom, right) = frame.min(axis=0), frame.max(axis=0)
    rows, columns = np.argwhere(is_colour(pixels, "#ff0000")).T
    assert top < rows.min() and rows.max() < bottom
    assert left < columns.min() and columns.max() < right


def test_no_two_thumbnails_overlap(tmp_path):
    places = np.random.default_rng(0).normal(size=(5000, 2)) * 100
    kept = places[_apart(places, 20.0)]
    apart = np.abs(kept[:, None] - kept[None]).max(axis=2)
    assert apart[~np.eye(len(kept), dtype=bool)].min() >= 20
    # Each point has one within reach: no more fit.
    assert np.abs(places[:, None] - kept[None]).max(axis=2).min(axis=1).max() < 20


def test_a_dark_picture_has_a_dark_ground_and_no_white_one(tmp_path, png_pixels, is_colour, drawn):
    labels = [f"class {number % 4}" for number in range(60)]
    for theme in (DARK, LIGHT):
        draw_map(circle(60), labels, tmp_path / "map.png", "Ground", theme=theme)
        pixels = png_pixels(tmp_path / "map.png")
        assert is_colour(pixels, theme.paper).mean() > 0.8
        for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
            assert is_colour(edge, theme.paper).all()
        axes = drawn[-1].axes[0]
        words = [axes._left_title, *axes.get_legend().get_texts(), *drawn[-1].texts]
        assert {to_hex(text.get_color()) for text in words} <= {theme.strong, theme.ink}
        for index in range(4):
            style = class_style(index, theme.name)
            assert is_colour(pixels[:, :AXES_PX], style.colour).sum() > 100
    draw_map(circle(60), labels, tmp_path / "map.svg", "Ground", theme=DARK)
    assert DARK.paper in (tmp_path / "map.svg").read_text()


def frame_of(figure) -> np.ndarray:
    """Its edges in pixels: left, bottom, right, top."""
    return np.array(figure.axes[0].get_window_extent().extents)


@pytest.mark.parametrize("shape", [(100, 1), (16, 10), (1, 1.1), (1, 40)])
@pytest.mark.parametrize("scale", [1e-6, pytest.param(1e6, marks=pytest.mark.slow)])
def test_the_frame_is_as_large_as_the_points(shape, scale, tmp_path, drawn):
    points = np.random.default_rng(0).uniform(size=(50, 2)) * shape * scale + 7 * scale
    draw_map(embedding_of(points), ["one"] * 50, tmp_path / "map.svg", "Frame")
    axes = drawn[-1].axes[0]
    left, bottom, right, top = frame_of(drawn[-1])
    places = axes.transData.transform(points)
    assert (places > (left, bottom)).all()
    assert (places < (right, top)).all()
    filled = np.ptp(places, axis=0) / (right - left, top - bottom)
    assert filled.max() > 0.9
    if 0.5 < shape[1] / shape[0] < 1.2:
        assert filled.min() > 0.85
    # One unit is as long in both directions.
    units = axes.transData.transform([[scale, scale], [0, 0]])
    assert np.ptp(units[:, 0]) == pytest.approx(np.ptp(units[:, 1]), rel=1e-6)


def names_on(figure) -> dict[str, np.ndarray]:
    """The boxes of the names on a map, in pixels."""
    return {text.get_text(): text.get_window_extent().extents for text in figure.texts}


@pytest.mark.parametrize("suffix", [pytest.param(".png", marks=pytest.mark.slow), ".svg"])
def test_names_stand_at_medians_where_they_fit(suffix, tmp_path, drawn):
    random = np.random.default_rng(3)
    centres = random.normal(size=(25, 2)) * 4
    points = np.concatenate([random.normal(size=(40, 2)) + centre for centre in centres])
    labels = [f"class {number:02d}" for number in range(25) for _ in range(40)]
    draw_map(embedding_of(points), labels, tmp_path / f"map{suffix}", "Names")
    figure = drawn[-1]
    names = names_on(figure)
    assert len(names) > 12
    boxes = np.array(list(names.values()))
    frame = frame_of(figure)
    assert (boxes[:, :2] >= frame[:2]).all()
    assert (boxes[:, 2:] <= frame[2:]).all()
    apart = (boxes[:, None, :2] >= boxes[None, :, 2:]).any(-1)
    assert (apart | apart.T | np.eye(len(boxes), dtype=bool)).all()
    for name, box in names.items():
        own = points[[label == name for label in labels]]
        median = figure.axes[0].transData.transform(np.median(own, axis=0))
        assert np.abs((box[:2] + box[2:]) / 2 - median).max() < 60


def test_a_name_hides_no_lone_point(tmp_path, png_pixels, is_colour):
    labels = ["the only one", "the other one"]
    draw_map(embedding_of([[0, 0], [3, 2]]), labels, tmp_path / "map.png", "Two")
    pixels = png_pixels(tmp_path / "map.png")[:, :AXES_PX]
    for index in range(2):
        assert is_colour(pixels, class_style(index).colour).sum() > 150


def test_no_class_of_a_crowd_hides_another(tmp_path, png_pixels, is_colour):
    labels = ["a", "b", "c"] * 1500
    points = np.random.default_rng(0).normal(size=(4500, 2)) * 0.05
    points[:2] = (-1, -1), (1, 1)
    draw_map(embedding_of(points), labels, tmp_path / "map.png", "Crowd")
    pixels = png_pixels(tmp_path / "map.png")[:, :AXES_PX]
    shown = [is_colour(pixels, class_style(index).colour).sum() for index in range(3)]
    assert min(shown) > 0.35 * max(shown)


def test_lines_surround_crowds_of_many_points(tmp_path, drawn):
    points = np.random.default_rng(0).normal(size=(6000, 2))
    for n, n_lines in ((5000, 0), (6000, 3)):
        draw_map(embedding_of(points[:n]), ["one"] * n, tmp_path / "map.png", "Crowd")
        contours = [each for each in drawn[-1].axes[0].collections if hasattr(each, "levels")]
        assert sum(len(each.levels) for each in contours) == n_lines


@pytest.mark.slow
def test_the_legend_is_on_the_picture_and_off_the_data(tmp_path, drawn):
    for n_classes in (1, 120):
        labels = [f"class {number % n_classes}" for number in range(2 * n_classes)]
        draw_map(circle(len(labels)), labels, tmp_path / "map.png", "Legend")
        figure = drawn[-1]
        legend = figure.axes[0].get_legend().get_window_extent()
        assert legend.x0 >= frame_of(figure)[2]
        whole = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
        assert whole.x0 <= legend.x0
        assert legend.x1 <= whole.x1
        assert whole.y0 <= legend.y0
        assert legend.y1 <= whole.y1


def test_mistakes_stand_out_by_shape_and_size(tmp_path, svg_texts, drawn):
    labels = ["hat"] * 30 + ["bag"] * 30
    predicted = ["hat"] * 27 + ["bag"] * 2 + [""] + ["bag"] * 30
    by = Colouring("mistake", predicted, "predicted out of fold")
    draw_map(circle(60), labels, tmp_path / "map.svg", "Mistakes", colouring=by)
    texts = svg_texts(tmp_path / "map.svg")
    assert [text for text in texts if text.endswith(")")] == [
        "wrong (2)",
        "unknown (1)",
        "right (57)",
    ]
    assert "Colour: whether the predicted class is the label, predicted out of fold" in " ".join(
        texts
    )
    sized = {len(each.get_offsets()): each for each in drawn[-1].axes[0].collections}
    right, wrong = sized[57], sized[2]
    assert wrong.get_zorder() > right.get_zorder()
    assert wrong.get_sizes().min() > right.get_sizes().max()


def test_predictions_have_the_colours_of_their_classes(tmp_path, svg_texts, drawn):
    labels = ["b"] * 20 + ["c"] * 20
    predicted = ["b"] * 10 + ["a new one"] * 10 + ["c"] * 15 + [""] * 5
    by = Colouring("prediction", predicted, "predicted by the head 1")
    draw_map(circle(40), labels, tmp_path / "map.svg", "Predicted", colouring=by)
    legend = drawn[-1].axes[0].get_legend()
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["b (10)", "c (15)", "a new one (10)", "unknown (5)"]
    colours = [handle.get_color() for handle in legend.legend_handles]
    assert colours[:3] == [class_style(index).colour for index in range(3)]
    assert {"b", "c", "a new one"} <= set(svg_texts(tmp_path / "map.svg"))


def test_confidence_has_a_bar_of_its_shades(tmp_path, png_pixels, drawn):
    by = Colouring("confidence", np.linspace(0, 1, 80), "predicted out of fold")
    for theme in (LIGHT, DARK):
        draw_map(circle(80), ["x"] * 80, tmp_path / "map.png", "Sure", colouring=by, theme=theme)
        axes, bar = drawn[-1].axes
        assert axes.get_legend() is None
        assert bar.get_ylabel() == "probability of the predicted class"
        assert bar.get_ylim() == (0, 1)
        assert bar.get_window_extent().x0 > frame_of(drawn[-1])[2]
        points = axes.collections[0]
        shades = points.to_rgba(points.get_array())[:, :3]
        lightness = shades @ [0.2126, 0.7152, 0.0722]
        order = np.argsort(points.get_array())
        assert (np.diff(lightness[order]) > 0).all()
        ground = 1.0 if theme is LIGHT else 0.12
        assert np.abs(lightness - ground).min() > 0.15


def test_splits_are_named_in_their_order(tmp_path, svg_texts):
    by = Colouring("split", ["validation", "train", "train", "", "test"], "as declared")
    draw_map(circle(5), list("abcde"), tmp_path / "map.svg", "Splits", colouring=by)
    texts = svg_texts(tmp_path / "map.svg")
    shown = [text for text in texts if text.endswith(")")]
    assert shown == ["train (2)", "validation (1)", "test (1)", "no split (1)"]


def test_a_colouring_that_does_not_fit_is_refused(tmp_path):
    for by, why in (
        (Colouring("age", [1, 2, 3]), "expected a colour by label, .*received 'age'"),
        (Colouring("split", ["train"]), "3 labels and 1 value"),
    ):
        with pytest.raises(UsageError, match=why):
            draw_map(circle(3), ["a", "b", "c"], tmp_path / "map.png", "Map", colouring=by)


@pytest.mark.parametrize("method", ["pca", pytest.param("umap", marks=pytest.mark.slow)])
def test_three_dimensions_are_drawn_in_space(method, tmp_path, png_pixels, is_colour, drawn):
    random = np.random.default_rng(0)
    points = np.concatenate(
        [random.normal(size=(40, 3)) + 9 * np.eye(3)[axis] for axis in range(3)]
    )
    labels = ["first"] * 40 + ["second"] * 40 + ["third"] * 40
    placed = Embedding(points.astype(np.float32), method, "3-D", shares=(0.5, 0.3, 0.2))
    draw_map(placed, labels, tmp_path / "map.png", "Space", theme=DARK)
    pixels = png_pixels(tmp_path / "map.png")
    for index in range(3):
        assert is_colour(pixels, class_style(index, "dark").colour).sum() > 140
    assert is_colour(pixels[:10], DARK.paper).all()
    assert set(names_on(drawn[-1])) == {"first", "second", "third"}
    words = drawn[-1].axes[0].get_zlabel()
    assert words == ("principal component 3 (20 % of the variance)" if method == "pca" else "")


def test_characters_without_a_font_are_named_below_and_in_a_warning(tmp_path, caplog, drawn):
    labels = ["hat", "\U000102a0\U000102a1 carian", "plain"]
    with caplog.at_level(logging.WARNING):
        draw_map(circle(3), labels, tmp_path / "map.png", "Names")
    (record,) = caplog.records
    assert "no installed font has the characters U+102A0 (carian letter a), " in record.message
    notes = [text.get_text() for text in drawn[-1].texts if "Note:" in text.get_text()]
    assert len(notes) == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        draw_map(circle(3), labels, tmp_path / "map.svg", "Names")
        draw_map(circle(2), ["hät", "čepice"], tmp_path / "latin.png", "Names")
        if any("CJK" in family for family in font_families()):
            draw_map(circle(2), ["帽子", "靴"], tmp_path / "cjk.png", "写真")
    assert caplog.records == []


def test_images_without_classes_are_of_one_colour_and_have_no_legend(tmp_path, svg_texts):
    draw_map(circle(12), [""] * 12, tmp_path / "map.svg", "Photos")
    words = {"Photos", "12 images. t-SNE, perplexity 30, seed 0"}
    assert set(svg_texts(tmp_path / "map.svg")) == words
