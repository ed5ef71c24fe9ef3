import errno
from pathlib import Path

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from bottlebank.errors import UsageError
from bottlebank.viz import require_picture_path
from bottlebank.viz.figure_file import in_theme, new_figure, write_picture
from bottlebank.viz.theme import DARK, THEMES


def figure_with_a_line() -> Figure:
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [1, 0])
    axes.set_title("a line", parse_math=False)
    return figure


@pytest.mark.parametrize("name", ["map.png", "map.svg", "MAP.PNG", "a.b.svg"])
def test_pictures_are_png_or_svg(name):
    assert require_picture_path(Path(name)) is None


@pytest.mark.parametrize(
    ("name", "given"),
    [("map.pdf", r"ends in '\.pdf'"), ("map", "has no ending"), (".png", "has no ending")],
)
def test_other_endings_are_refused(name, given):
    with pytest.raises(UsageError, match=rf"\.png or \.svg file; '{name}' {given}"):
        require_picture_path(Path(name))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_gives_the_same_bytes(suffix, tmp_path):
    paths = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in paths:
        write_picture(figure_with_a_line(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    start = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml "}[suffix]
    assert paths[0].read_bytes().startswith(start)


def test_an_svg_carries_no_date(tmp_path):
    write_picture(figure_with_a_line(), tmp_path / "line.svg")
    assert "dc:date" not in (tmp_path / "line.svg").read_text()


def test_settings_of_matplotlib_stay_as_they_were(tmp_path):
    before = dict(matplotlib.rcParams)
    write_picture(figure_with_a_line(), tmp_path / "line.svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_failed_write_leaves_the_old_picture(suffix, tmp_path, monkeypatch):
    output = tmp_path / f"map{suffix}"
    output.write_bytes(b"the old picture")

    def fill_the_disk(figure, path, **options):
        path.write_bytes(b"half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_picture(figure_with_a_line(), output)
    assert output.read_bytes() == b"the old picture"
    assert list(tmp_path.iterdir()) == [output]


def luminance(colour: str) -> float:
    """Of WCAG 2.1, 0-1."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_words_and_curves_stand_out_from_the_paper(theme):
    for name, least in {"strong": 7, "ink": 7, "quiet": 4.5, "first": 3, "second": 2}.items():
        assert contrast(getattr(theme, name), theme.paper) >= least, name


def test_axes_take_the_colours_of_their_theme():
    figure = new_figure(2, 2, DARK)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), DARK)
    assert to_hex(figure.get_facecolor()) == to_hex(axes.get_facecolor()) == DARK.paper
    assert {to_hex(spine.get_edgecolor()) for spine in axes.spines.values()} == {DARK.line}
    assert {to_hex(tick.label1.get_color()) for tick in axes.xaxis.get_major_ticks()} == {DARK.ink}
