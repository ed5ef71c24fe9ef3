import base64
import errno
import os
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.viz import (
    Section,
    Table,
    draw_confusion_matrix,
    draw_mistakes,
    write_report,
)

WEIRD_NAMES = ["<script>alert(1)</script>", "🎩", "帽子", "قبعة", '"&amp;{{ 7 * 7 }}', "{% if %}"]
# Attributes with which a page loads or goes to something.
ADDRESSES = ("src", "href", "srcset", "action", "data", "poster", "background", "formaction")


class Page(HTMLParser):
    """Tags, addresses and the words of each element that a test looks at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {"h1": [], "h2": [], "p": [], "dt": [], "dd": []}
        self.rows: list[list[str]] = []
        self.classes: list[list[str | None]] = []
        self._open: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.addresses += [value for name, value in attrs if name in ADDRESSES]
        if tag == "tr":
            self.rows.append([])
            self.classes.append([])
        if tag in ("th", "td"):
            self._open = self.rows[-1]
            self._open.append("")
            self.classes[-1].append(dict(attrs).get("class"))
        elif tag in self.words:
            self._open = self.words[tag]
            self._open.append("")

    def handle_endtag(self, tag):
        if tag in ("th", "td") or tag in self.words:
            self._open = None

    def handle_data(self, data):
        if self._open is not None:
            self._open[-1] += data


def written(folder, facts=(), sections=(), title="Report") -> Page:
    return Page(write_report(folder, title, facts, sections).read_text("utf-8"))


@pytest.fixture
def picture(tmp_path):
    draw_confusion_matrix([[1]], ["a"], tmp_path / "matrix.png", "Head")
    return tmp_path / "matrix.png"


def test_everything_stands_in_its_order(tmp_path, picture):
    page = written(
        tmp_path,
        [("images", 12345), ("accuracy", "83.2 %")],
        [
            Section("First", "One.\n\nTwo,\nstill two.\n\n"),
            Section("Second", picture=picture, table=Table(["class", "images"], [["hat", 3]])),
        ],
        title="Photos of clothes",
    )
    assert page.words["h1"] == ["Photos of clothes"]
    assert page.words["h2"] == ["First", "Second"]
    assert page.words["p"] == ["One.", "Two,\nstill two."]
    assert page.words["dt"] == ["images", "accuracy"]
    assert page.words["dd"] == ["12,345", "83.2 %"]
    assert page.rows == [["class", "images"], ["hat", "3"]]
    assert page.tags.index("img") < page.tags.index("table")
    assert ("img", "Second") in [(tag, found.get("alt")) for tag, found in page.attributes]


def test_cells_are_words_and_figures(tmp_path):
    rows = [
        ["hat", "coat", 1234, 0.5, "83.2 %"],
        ["1", "2", np.int64(12), np.float32(0.25), "–"],
        ["x", None, None, float("nan"), np.float64(12345.67891)],
    ]
    table = Table(["true", "predicted", "images", "share", "other"], rows, n_word_columns=2)
    page = written(tmp_path, sections=[Section("Pairs", table=table)])
    assert page.rows[1:] == [
        ["hat", "coat", "1,234", "0.500", "83.2 %"],
        ["1", "2", "12", "0.250", "–"],
        ["x", "–", "–", "–", "12,345.679"],
    ]
    assert page.classes == [["word", "word", "figure", "figure", "figure"]] * 4


def test_figures_are_aligned_to_the_right(tmp_path):
    html = write_report(tmp_path, "Report", [], []).read_text()
    rule = html.split(".figure {")[1].split("}")[0]
    assert "text-align: right" in rule


def test_names_are_taken_literally(tmp_path):
    page = written(
        tmp_path,
        [(name, name) for name in WEIRD_NAMES],
        [Section(name, name, table=Table([name], [[name]])) for name in WEIRD_NAMES],
        title=WEIRD_NAMES[0],
    )
    assert "script" not in page.tags
    assert page.words["h1"] == WEIRD_NAMES[:1]
    for tag in ("h2", "p", "dt", "dd"):
        assert page.words[tag] == WEIRD_NAMES
    assert [row[0] for row in page.rows] == [name for name in WEIRD_NAMES for _ in range(2)]


def test_a_name_that_is_not_utf8_is_replaced(tmp_path):
    assert written(tmp_path, title="not\udc80utf8").words["h1"] == ["not?utf8"]


def test_pictures_are_inside(tmp_path, picture):
    folder = tmp_path / "report"
    folder.mkdir()
    page = written(folder, sections=[Section("One", picture=picture), Section("Two")])
    (address,) = page.addresses
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data, validate=True) == picture.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["report.html"]


def test_pictures_have_the_size_that_they_were_drawn_in(tmp_path, png_pixels):
    draw_mistakes([], [], tmp_path / "none.png", "A title of some length")
    page = written(tmp_path, sections=[Section("One", picture=tmp_path / "none.png")])
    (width_px,) = [int(found["width"]) for tag, found in page.attributes if tag == "img"]
    assert width_px / 96 == pytest.approx(png_pixels(tmp_path / "none.png").shape[1] / 150, 0.01)


def test_nothing_is_loaded_or_run(tmp_path, picture):
    output = write_report(
        tmp_path, "Report", [("a", 1)], [Section("One", "text", picture, Table(["a"], [["b"]]))]
    )
    html = output.read_text()
    page = Page(html)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not any(name.startswith("on") for _, found in page.attributes for name in found)
    for words in ("http:", "https:", "//", "url(", "@import"):
        assert words not in html.replace(page.addresses[0], "")
    policies = [
        found["content"]
        for tag, found in page.attributes
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_the_page_suits_phones_printers_and_dark_rooms(tmp_path):
    html = write_report(tmp_path, "Report", [], []).read_text()
    metas = [found for tag, found in Page(html).attributes if tag == "meta"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert {"name": "color-scheme", "content": "light dark"} in metas
    assert "@media print" in html
    assert "@media (prefers-color-scheme: dark)" in html


def test_a_row_can_be_a_block_that_names_its_cells(tmp_path):
    """Where the columns do not fit side by side, headings stand before the cells."""
    headings = ["image", 'the "label"', "share"]
    table = Table(headings, [["a/b.jpg", "hat", 0.5], ["c.jpg", None, 1]], n_word_columns=2)
    page = written(tmp_path, sections=[Section("Mistakes", table=table)])
    named = [found["data-heading"] for tag, found in page.attributes if tag == "td"]
    assert named == headings * 2
    html = (tmp_path / "report.html").read_text()
    narrow = html.split("@media screen and (max-width: 52rem) {")[1].split("@media print")[0]
    assert "content: attr(data-heading)" in narrow
    assert "display: block" in narrow


def test_paths_break_behind_their_separators(tmp_path):
    path = "shirts & more/2024-01_a/IMG_0001.jpg"
    table = Table(["image", "where"], [[path, "C:\\photos\\b.jpg"]], n_word_columns=2)
    page = written(tmp_path, sections=[Section("Mistakes", table=table)])
    assert page.rows[1] == [path, "C:\\photos\\b.jpg"]
    html = (tmp_path / "report.html").read_text()
    assert "shirts &amp; more/<wbr>2024-<wbr>01_<wbr>a/<wbr>IMG_<wbr>0001.jpg</bdi>" in html
    assert "C:\\<wbr>photos\\<wbr>b.jpg</bdi>" in html


def test_an_empty_report_is_a_title(tmp_path):
    page = written(tmp_path, title="Nothing")
    assert page.words == {"h1": ["Nothing"], "h2": [], "p": [], "dt": [], "dd": []}
    assert not {"dl", "table", "img"} & set(page.tags)


def test_a_table_without_rows_keeps_its_headings(tmp_path):
    page = written(tmp_path, sections=[Section("None", table=Table(["class", "images"], []))])
    assert page.rows == [["class", "images"]]


def test_a_row_of_another_length_is_refused(tmp_path):
    table = Table(["class", "images"], [["hat", 1], ["coat"]])
    with pytest.raises(UsageError, match="'Classes' has 2 cells, .* row 1 has 1"):
        write_report(tmp_path, "Report", [], [Section("Classes", table=table)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"<svg onload=...>", b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0"])
def test_other_pictures_are_refused(data, tmp_path):
    drawing = tmp_path / "drawing.png"
    drawing.write_bytes(data)
    with pytest.raises(UsageError, match=r"is a PNG file; '.*drawing.png' begins with b'"):
        write_report(tmp_path, "Report", [], [Section("One", picture=drawing)])


def test_a_missing_picture_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        write_report(tmp_path, "Report", [], [Section("One", picture=tmp_path / "nothing.png")])


def test_a_failed_write_leaves_the_old_report(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_bytes(b"the old report")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path, "Report", [], [])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == b"the old report"


def test_the_same_report_gives_the_same_bytes(tmp_path, picture):
    pages = [
        write_report(tmp_path, "Report", [("a", 1)], [Section("One", picture=picture)]).read_bytes()
        for _ in range(2)
    ]
    assert pages[0] == pages[1]


def test_drawing_does_not_import_jinja():
    script = "import sys, bottlebank.viz; print('jinja2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "False\n", done.stderr
