import base64
import errno
import os
import re
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
from bottlebank.viz.report import MapPicture, Mistake
from bottlebank.viz.theme import DARK

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


def test_the_first_words_of_a_row_of_figures_are_its_heading(tmp_path):
    page = written(tmp_path, sections=[Section("A", table=Table(["class", "n"], [["hat", 3]]))])
    scopes = [found["scope"] for tag, found in page.attributes if tag == "th"]
    assert scopes == ["col", "col", "row"]
    assert page.rows == [["class", "n"], ["hat", "3"]]


def test_figures_are_aligned_to_the_right(tmp_path):
    html = write_report(tmp_path, "Report", [], []).read_text()
    rule = html.split(".figure {")[1].split("}")[0]
    assert "text-align: right" in rule


def mistake(label: str = "hat", **changed) -> Mistake:
    found = Mistake(
        label, "coat", "91.4 %", "test/hat/a.jpg", "/data/", "file:///data/a.jpg", b"RIFFWEBP"
    )
    return found._replace(**changed)


def test_mistakes_are_thumbnails_with_links_and_whole_paths(tmp_path):
    gone = mistake("coat", predicted="hat", picture=None, address="file:///data/%FF.jpg")
    written(tmp_path, sections=[Section("Mistakes", mistakes=[mistake(), gone])])
    html = (tmp_path / "report.html").read_text()
    first, second = re.findall(r"<li.*?</li>", html, re.DOTALL)
    assert '<a href="file:///data/a.jpg"><img src="data:image/webp;base64,UklGRldFQlA="' in first
    assert 'alt="test/hat/a.jpg"' in first
    assert ">hat<" in first.split("→")[0]
    assert ">coat<" in first.split("→")[1]
    assert "91.4 %" in first
    path = re.search(r'<code class="path" dir="ltr">(.*?)</code>', first)[1]
    assert re.sub("<.*?>", "", path) == "/data/test/hat/a.jpg"
    assert '<a href="file:///data/%FF.jpg"><span>cannot be read</span></a>' in second


def test_mistakes_of_one_class_can_be_chosen_without_a_script(tmp_path):
    labels = ["zebra", "<b>", "ant", "zebra", "ant", "zebra"]
    sections = [
        Section("Empty"),
        Section("Mistakes", mistakes=[mistake(label) for label in labels]),
        Section("More", mistakes=[mistake(label) for label in "ab"]),
    ]
    page = written(tmp_path, sections=sections)
    html = (tmp_path / "report.html").read_text()
    choice = html.split("<fieldset")[1].split("</fieldset>")[0]
    shown = re.findall(r'<bdi>(.*?)</bdi> <span class="share">(\d+)<', choice)
    assert shown == [("&lt;b&gt;", "1"), ("ant", "2"), ("zebra", "3")]
    chosen = [found["id"] for tag, found in page.attributes if tag == "input" and "id" in found]
    assert len(chosen) == len(set(chosen)) == 5
    kinds = [found["class"] for tag, found in page.attributes if tag == "li"]
    assert kinds == ["of-2", "of-0", "of-1", "of-2", "of-1", "of-2", "of-0", "of-1"]
    for identifier in chosen:
        kind = f"of-{identifier.split('-')[-1]}"
        assert f"section:has(#{identifier}:checked) .cards > :not(.{kind}) {{" in html
    one = written(tmp_path, sections=[Section("Mistakes", mistakes=[mistake()] * 3)])
    assert "fieldset" not in one.tags, "there is nothing to choose from"


def test_a_dark_page_has_dark_pictures(tmp_path, picture):
    dark = tmp_path / "dark.png"
    draw_confusion_matrix([[1]], ["a"], dark, "Head", theme=DARK)
    page = written(tmp_path, sections=[Section("One", picture=picture, dark=dark)])
    (source,) = [found for tag, found in page.attributes if tag == "source"]
    assert source["media"] == "screen and (prefers-color-scheme: dark)"
    assert base64.b64decode(source["srcset"].split(",")[1]) == dark.read_bytes()
    (image,) = [found for tag, found in page.attributes if tag == "img"]
    assert base64.b64decode(image["src"].split(",")[1]) == picture.read_bytes()


def test_what_is_moved_sideways_is_reached_by_keyboard(tmp_path, picture):
    sections = [
        Section("Classes", table=Table(["class", "images"], [["hat", 3]])),
        Section("One", picture=picture, table=Table(["a", "b"], [["c", "d"]], 2)),
    ]
    page = written(tmp_path, sections=sections)
    regions = [found for _, found in page.attributes if found.get("role") == "region"]
    assert [found["aria-label"] for found in regions] == [
        *("Classes: table", "One: picture", "One: table"),
    ]
    assert {found["tabindex"] for found in regions} == {"0"}


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


def test_maps_stand_beside_their_photograph_and_their_classes_are_words(tmp_path):
    maps = [
        MapPicture(name, f"RIFF{number}".encode(), f"what speaks for {name}")
        for number, name in enumerate(WEIRD_NAMES)
    ]
    without = mistake()._replace(note='no map: "<b>" has gone')
    listed = [mistake()._replace(maps=maps), without, mistake()]
    page = written(tmp_path, sections=[Section("3 mistakes", mistakes=listed)])
    html = (tmp_path / "report.html").read_text()
    assert not {"script", "b"} & set(page.tags)
    described = [found["alt"] for tag, found in page.attributes if tag == "img"]
    path = mistake().path
    its = [f"{path}: what speaks for {name}" for name in WEIRD_NAMES]
    assert described == [path, *its, path, path]
    assert "no map: &#34;&lt;b&gt;&#34; has gone" in html
    lists = [found["class"] for tag, found in page.attributes if tag == "ul"]
    assert lists == ["cards explained", "cards"], "the others stay small"
    assert html.count('<li class="of-0">') == 3


def test_nothing_is_loaded_or_run(tmp_path, picture):
    part = Section("One", "text", picture, Table(["a"], [["b"]]), picture, [mistake()])
    html = write_report(tmp_path, "Report", [("a", 1)], [part]).read_text()
    page = Page(html)
    links = [found.get("href") for tag, found in page.attributes if tag == "a"]
    assert links == ["file:///data/a.jpg"], "a link is gone to when someone clicks on it"
    loaded = [address for address in page.addresses if address not in links]
    assert len(loaded) == 3
    assert all(address.startswith("data:image/") for address in loaded)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not any(name.startswith("on") for _, found in page.attributes for name in found)
    for address in page.addresses:
        html = html.replace(address, "")
    for words in ("http:", "https:", "//", "url(", "@import"):
        assert words not in html
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
    # What a browser drops where a row is a block.
    roles = {tag: found.get("role") for tag, found in page.attributes}
    assert [roles[tag] for tag in ("table", "thead", "tr", "th", "td")] == [
        *("table", "rowgroup", "row", "columnheader", "cell"),
    ]


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
