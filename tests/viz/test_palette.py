from matplotlib.colors import to_rgb

from bottlebank.viz.palette import class_style


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_hundred_classes_differ_in_colour_or_shape():
    assert len({class_style(index) for index in range(100)}) == 100
    styles = [class_style(index) for index in range(1000)]
    assert styles[len(set(styles))] == styles[0]


def test_seven_classes_need_no_shapes():
    styles = [class_style(index) for index in range(7)]
    assert {style.marker for style in styles} == {"o"}
    assert len({style.colour for style in styles}) == 7


def test_every_colour_stands_out_from_white():
    for index in range(7):
        assert 1.05 / (luminance(class_style(index).colour) + 0.05) > 2.0
