import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bottlebank.errors import UsageError
from bottlebank.viz.palette import COLOURS, class_style
from bottlebank.viz.theme import THEMES

N_COLOURS = 20
# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Ottosson 2020, from linear sRGB.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
# In OKLab. Okabe and Ito's seven without yellow have 0.156 and, with deuteranopia, 0.076; tab20 of
# matplotlib has 0.054 and 0.018.
LEAST = {
    (8, "normal"): 0.19,
    (8, "deuteranopia"): 0.12,
    (8, "protanopia"): 0.11,
    (8, "tritanopia"): 0.10,
    (20, "normal"): 0.11,
    (20, "deuteranopia"): 0.055,
    (20, "protanopia"): 0.055,
    (20, "tritanopia"): 0.04,
}


def linear(colours) -> np.ndarray:
    values = np.array([to_rgb(colour) for colour in colours])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    return float(linear([colour])[0] @ [0.2126, 0.7152, 0.0722])


def distances(colours, vision: str) -> np.ndarray:
    seen = np.clip(linear(colours) @ np.transpose(VISIONS[vision]), 0, 1)
    oklab = np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_OKLAB)
    between = np.linalg.norm(oklab[:, None] - oklab[None], axis=2)
    return between[np.triu_indices(len(colours), 1)]


def test_the_distance_is_that_of_oklab():
    # Black to white is 1 apart in lightness; red and green differ, to deuteranopes much less.
    assert distances(["#000000", "#ffffff"], "normal")[0] == pytest.approx(1, abs=1e-4)
    red_and_green = ["#c00000", "#408000"]
    normal = distances(red_and_green, "normal")[0]
    assert distances(red_and_green, "deuteranopia")[0] < normal / 3


@pytest.mark.parametrize("theme", COLOURS)
@pytest.mark.parametrize(("n_colours", "vision"), LEAST)
def test_colours_are_apart(n_colours, vision, theme):
    colours = [class_style(index, theme).colour for index in range(n_colours)]
    assert distances(colours, vision).min() >= LEAST[n_colours, vision]


def test_three_hundred_classes_differ_in_colour_or_shape():
    styles = [class_style(index) for index in range(1000)]
    assert len(set(styles[:300])) == 300
    assert styles[300] == styles[0]


def test_twenty_classes_need_no_shapes():
    for theme in THEMES:
        styles = [class_style(index, theme) for index in range(N_COLOURS + 1)]
        assert {style.marker for style in styles[:N_COLOURS]} == {"o"}
        assert len({style.colour for style in styles}) == N_COLOURS
        assert styles[N_COLOURS].colour == styles[0].colour
        assert styles[N_COLOURS].marker != "o"


@pytest.mark.parametrize(("theme", "least"), [("light", 1.9), ("dark", 3.9)])
def test_every_colour_stands_out_from_its_ground(theme, least):
    for colour in COLOURS[theme]:
        dark, light = sorted([luminance(colour), luminance(THEMES[theme].paper)])
        assert (light + 0.05) / (dark + 0.05) > least


@pytest.mark.parametrize("theme", THEMES.values(), ids=str)
def test_words_can_be_read_on_their_ground(theme):
    for ink in (theme.strong, theme.ink):
        dark, light = sorted([luminance(ink), luminance(theme.paper)])
        assert (light + 0.05) / (dark + 0.05) > 7


def test_another_theme_is_refused():
    with pytest.raises(UsageError, match="light or dark, received 'grey'"):
        class_style(0, "grey")
