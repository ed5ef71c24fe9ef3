import errno
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from bottlebank.errors import UsageError
from bottlebank.viz import require_picture_path
from bottlebank.viz.figure_file import new_figure, write_picture


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
