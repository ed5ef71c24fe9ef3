"""What comes from elsewhere moves no cursor, rings no bell and fakes no line on a terminal."""

import ast
import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bottlebank import cli
from bottlebank.cache import CacheFolder, Key
from bottlebank.cli import main
from bottlebank.cli.output import OneLine, say, tell
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.service.logs import _Json, _Text
from bottlebank.service.request_context import SERVICE

TRICKS = "\x1b[2J\x07\r\x9b31m\u202egnp\u2066\u200b"


def is_plain(text):
    return text.replace("\n", "").isprintable()


@pytest.fixture
def hostile(tmp_path):
    """A cache whose recipe, paths and reasons hold control characters."""
    recipe, _ = recipe_for(ExtractorSpec("random"))
    values = {**recipe.as_dict(), "extractor": f"x{TRICKS}\nfake line", "weights": TRICKS}
    root = tmp_path / f"cache{TRICKS}"
    with (
        CacheFolder(root, create=True) as folder,
        folder.open(recipe.fingerprint, "float32").writer(values) as writer,
    ):
        writer.add(Key(b"k" * 32), TRICKS.encode(), np.ones(recipe.width, "f4"))
        writer.reject(b"r" * 32, f"a{TRICKS}\nb".encode(), f"reason {TRICKS}\nfake")
    return root


@pytest.mark.parametrize("action", ["info", "verify", "verify --deep", "prune", "export", "import"])
def test_cache_commands_escape(hostile, tmp_path, capfd, action):
    words = action.split()
    if action == "export":
        words.append(str(tmp_path / "rows.h5"))
    if action == "import":
        words.append(str(hostile))
    cache = tmp_path / "mine" if action == "import" else hostile
    main(["cache", *words, "--cache", str(cache)])
    out, err = capfd.readouterr()
    assert out + err
    assert is_plain(out + err), out + err
    assert not [line for line in (out + err).split("\n") if line.startswith("fake")]


def test_a_recipe_of_another_version_is_escaped_too(hostile, capfd):
    [path] = hostile.glob("*/recipe.json")
    path.write_text(json.dumps({"extractor": f"a{TRICKS}\nfake"}))
    assert main(["cache", "info", "--cache", str(hostile)]) == 0
    out, err = capfd.readouterr()
    assert "of another version" in out
    assert is_plain(out + err)
    assert "\nfake" not in out


def test_a_record_of_the_log_is_one_line():
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "left: %s", (f"a\nb{TRICKS}",), None)
    line = OneLine().format(record)
    assert line.startswith("left: a b\\x1b[2J")
    assert line.isprintable()


@pytest.mark.parametrize("write", [tell, say])
def test_each_argument_is_one_line(capsys, write):
    write("one\nfake\x1b[1m", "", "two\udcff")
    assert "".join(capsys.readouterr()) == "one\\nfake\\x1b[1m\n\ntwo\\udcff\n"


def test_only_output_prints():
    folder = Path(cli.__file__).parent
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted(folder.glob("*.py"))
        # The other one says one thing, from beside all that may hold a lock on stderr.
        if path.name not in ("output.py", "interrupts.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id in ("print", "pprint", "echo"))
        or (isinstance(node, ast.Attribute) and node.attr in ("write", "writelines", "echo"))
    ]
    assert not found, "use `tell` or `say`, which escape what comes from elsewhere"


@pytest.fixture
def hostile_photos(tmp_path, photos):
    """Photographs whose folder, classes and files have hostile names; one cannot be decoded."""
    root = tmp_path / f"data{TRICKS}\nfake"
    photos.rename(root)
    for folder in [*root.iterdir()]:
        os.rename(folder, os.fsencode(root / f"{folder.name}{TRICKS}\nfake") + b"\xff")
    for folder in root.iterdir():
        os.rename(folder / "00.png", os.fsencode(folder / f"0{TRICKS}\nfake") + b"\xfe.png")
        (folder / f"broken{TRICKS}\nfake.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (folder / f"other.{TRICKS}\nfake").write_bytes(b"x")
    return root


@pytest.fixture
def checked(bottlebank):
    """Run a command, whose lines are all its own."""

    def run(*arguments, code=0):
        ran = bottlebank(*arguments)
        text = ran.out + ran.err
        assert ran.code == code, text
        assert text and is_plain(text), text
        assert not [line for line in text.split("\n") if line.startswith("fake")]
        return ran

    return run


def test_every_command_escapes(checked, hostile_photos, options, cache, tmp_path, monkeypatch):
    odd = f"{TRICKS}\nfake"
    data, head = str(hostile_photos), tmp_path / f"head{odd}.h5"
    [image, *_] = map(str, hostile_photos.rglob("0?*.png"))
    assert "\\x1b" in checked("extract", data, *options).err
    checked("extract", data, *options, "--json")
    assert "\\x1b" in checked("train", data, "--output", head, *options).out
    common = ["--head", head, "--cache", cache]
    checked("evaluate", data, *common)
    checked("evaluate", data, *common, "--split", "all", "--report", tmp_path / f"report{odd}")
    assert "\\x1b" in checked("predict", data, image, *common).out
    checked("predict", image, *common, "--json")
    checked("compare", data, *options[2:], "--extractors", "random", "--heads", "logistic,knn")
    for name, subject in (("map", data), ("values", image)):
        checked("plot", subject, "--output", tmp_path / f"{name}{odd}.png", *options)
    checked("cache", "export", tmp_path / f"rows{odd}.h5", "--data", data, "--cache", cache)

    def serve(app, host, port, settings, on_ready):
        on_ready(f"http://localhost/{odd}")
        app.extensions[SERVICE].close()

    monkeypatch.setattr("bottlebank.service.serve", serve)
    assert "\\x1b" in checked("serve", *common, "--precision", "float32").out


@pytest.mark.parametrize(
    "words",
    [
        [f"extra{TRICKS}\nfake"],
        ["extract", f"no such{TRICKS}\nfake"],
        ["extract", "x", f"--{TRICKS}\nfake"],
        ["extract", "x", "--fit", f"{TRICKS}\nfake"],
        ["extract", "x", "--extractor", f"{TRICKS}\nfake"],
        ["train", "x", "--output", f"{TRICKS}\nfake\udcff"],
        ["train", "x", "--output", "head.h5", "--seed", f"{TRICKS}\nfake"],
        ["predict", "x", "--head", f"{TRICKS}\nfake\udcff.h5"],
        ["serve", "--head", f"{TRICKS}\nfake\udcff.h5"],
        ["serve", "--host", f"{TRICKS}\nfake", "--head", "x"],
        ["compare", "x", "--extractors", f"random,{TRICKS}\nfake"],
        ["cache", "import", f"{TRICKS}\nfake"],
        ["cache", "export", "rows.h5", "--fingerprint", f"{TRICKS}\nfake"],
        ["demo", "--extractor", f"{TRICKS}\nfake", "--output", "/dev/null"],
    ],
    ids=lambda words: " ".join(words[:2]).encode("unicode_escape").decode(),
)
def test_refusals_are_one_line(bottlebank, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    ran = bottlebank(*words)
    assert ran.code in (1, 2)
    assert ran.out == ""
    assert ran.err.count("\n") == 1 and is_plain(ran.err), ran.err


def test_the_services_log_is_one_line_and_so_is_each_of_a_traceback():
    try:
        raise ValueError(f"a{TRICKS}\nfake")
    except ValueError:
        record = logging.LogRecord("x", 30, "f", 1, "it: %s", (f"a\nfake{TRICKS}",), sys.exc_info())
    text = _Text("%(asctime)s %(message)s").format(record)
    assert is_plain(text)
    assert "it: a\\nfake\\x1b[2J" in text.split("\n")[0]
    line = _Json().format(record)
    assert line.isascii() and line.isprintable()
