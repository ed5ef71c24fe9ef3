"""What commands print."""

import json
import logging
import sys
from pathlib import Path

import pytest

import bottlebank
from bottlebank.cli.output import NotNoticed, invocation, print_json


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a program of that name, in a folder that is on the PATH or not."""

    def install(folder, on_path):
        path = tmp_path / folder / "bottlebank"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent) if on_path else str(tmp_path))
        return path

    return install


def test_what_is_about_the_machine_is_said_once():
    def record(words, notice=None):
        made = logging.LogRecord("viz", logging.WARNING, "", 0, words, None, None)
        if notice is not None:
            made.notice = notice
        return made

    said = NotNoticed()
    records = [
        record("note: a.png: no font has A", "no font has A"),
        record("note: b.png: no font has A", "no font has A"),
        record("note: c.png: no font has B", "no font has B"),
        record("warning"),
        record("warning"),
        record("note: d.png: no font has B", "no font has B"),
    ]
    passed = [each.getMessage() for each in records if said.filter(each)]
    assert passed == [
        *("note: a.png: no font has A", "note: c.png: no font has B"),
        *("warning", "warning"),
    ]


def test_a_program_that_the_shell_finds_is_called_by_its_name(installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(installed("bin", on_path=True)), "demo"])
    assert invocation() == ["bottlebank"]


def test_a_program_that_the_shell_does_not_find_is_called_by_its_path(installed, monkeypatch):
    path = str(installed("bin", on_path=False))
    monkeypatch.setattr(sys, "argv", [path, "demo"])
    assert invocation() == [path]
    installed("another", on_path=True)  # which is not this one
    assert invocation() == [path]


def test_a_module_is_called_as_one(monkeypatch):
    main = Path(bottlebank.__file__).parent / "__main__.py"
    monkeypatch.setattr(sys, "argv", [str(main), "demo"])
    assert invocation() == [sys.executable, "-m", "bottlebank"]


def test_within_another_program_it_has_its_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/notebook"])
    assert invocation() == ["bottlebank"]


def test_numbers_that_json_has_no_words_for_are_null(capsys):
    rows = [{"loss": float("nan")}, (float("inf"), 1.5, True, "NaN")]
    print_json({"rows": rows, "least": -float("inf"), "n": 3})
    line = capsys.readouterr().out
    assert json.loads(line) == {
        "rows": [{"loss": None}, [None, 1.5, True, "NaN"]],
        "least": None,
        "n": 3,
    }
    assert line.count("NaN") == 1
