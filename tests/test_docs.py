"""The documentation: it builds without warnings, and what it names exists."""

import inspect
import itertools
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import click
import pytest

import bottlebank
from bottlebank.cli import program
from bottlebank.features import ExtractorSpec

from .conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
PROSE = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "RESULTS.md"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    if find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed; make check installs it")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "docs", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_has_a_page(site):
    for name in set(bottlebank.__all__) - {"__version__"}:
        page = (site / "reference" / f"bottlebank.{name}.html").read_text()
        assert f'id="bottlebank.{name}"' in page


def test_types_and_public_names_stand_beside_parameters(site):
    page = (site / "reference" / "bottlebank.train_head.html").read_text()
    text = re.sub(r"<[^>]+>", "", page)
    assert "kind (str) – A head that can be saved" in text
    assert "hidden (Sequence[int] | int | None) – " in text
    assert 'href="bottlebank.extract.html#bottlebank.extract"' in page


def test_every_error_has_a_page(site):
    for name in re.findall(r"^class (\w+)", (ROOT / "errors.py").read_text(), re.MULTILINE):
        pages = [f"bottlebank.{name}.html", f"bottlebank.errors.{name}.html"]
        assert any((site / "reference" / page).is_file() for page in pages), name


def test_every_command_has_a_page_with_all_of_its_options(site):
    def commands(context):
        yield context
        for name in getattr(context.command, "list_commands", lambda _: ())(context):
            yield from commands(
                click.Context(context.command.get_command(context, name), context, name)
            )

    found = list(commands(click.Context(program, info_name="bottlebank")))
    assert len(found) > 10
    for context in found:
        page = "-".join(context.command_path.split()[1:]) or "index"
        text = (site / "commands" / f"{page}.html").read_text()
        names = [name for param in context.command.params for name in param.opts]
        for option in (name for name in names if name.startswith("-")):
            assert option in text, f"{context.command_path} {option}"


def test_files_that_the_prose_names_exist():
    missing = [
        f"{page.name}: {name}"
        for page in PROSE
        for name in re.findall(r"`([\w./]+/[\w.]*\.py|[\w/]+/)`", page.read_text())
        if (ROOT / name.split("/")[0]).exists() and not (ROOT / name).exists()
    ]
    assert missing == []


def test_measured_figures_stand_in_one_place():
    """A figure with its range, such as `226 [182, 239]`, is in RESULTS.md alone."""
    measured = re.compile(r"\d \[\d[\d.,]*, ?\d[\d.,]*\]")
    assert measured.search((ROOT / "benchmarks" / "RESULTS.md").read_text())
    assert [page.name for page in PROSE[:-1] if measured.search(page.read_text())] == []


def outside_code(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_lines_of_prose_fit_the_screen_and_begin_no_list_by_chance():
    for page in PROSE[:-1]:
        lines = outside_code(page).splitlines()
        long = [line for line in lines if len(line) > 100 and not line.startswith("|")]
        assert long == [], page.name
        for above, line in itertools.pairwise(lines):
            if re.match(r"\d+\. ", line) and above.strip():
                assert re.match(r"\d+\. |   ", above), f"{page.name}: {line}"


def test_every_choice_of_an_extractor_is_in_the_table():
    table = re.search(
        r"^\| option.*?\n\n", (ROOT / "docs" / "extraction.md").read_text(), re.M | re.S
    )
    assert table is not None
    choices = [*inspect.signature(ExtractorSpec.of).parameters]
    assert [name for name in choices if f"| `--{name}" not in table[0]] == []


def test_columns_of_tables_have_headings():
    for page in PROSE:
        for headings in re.findall(r"^\|(.*)\|\n\|[-|: ]+\|$", page.read_text(), re.MULTILINE):
            assert "" not in [cell.strip() for cell in headings.split("|")[1:]], page.name
