"""What comes from elsewhere moves no cursor, rings no bell and fakes no line on a terminal."""

import json
import logging

import numpy as np
import pytest

from bottlebank.cache import CacheFolder
from bottlebank.cli import main
from bottlebank.cli.answers import OneLine, shown_lines
from bottlebank.features import find_backbone, recipe_for

TRICKS = "\x1b[2J\x07\r\x9b31m\u202egnp\u2066\u200b"


def is_plain(text):
    return text.replace("\n", "").isprintable()


@pytest.fixture
def hostile(tmp_path):
    """A cache whose recipe, paths and reasons hold control characters."""
    recipe, _ = recipe_for(find_backbone("random"))
    values = {**recipe.as_dict(), "extractor": f"x{TRICKS}\nfake line", "weights": TRICKS}
    root = tmp_path / f"cache{TRICKS}"
    with CacheFolder(root, create=True) as folder:
        with folder.open(recipe.fingerprint, "float32").writer(values) as writer:
            writer.add(b"k" * 32, TRICKS.encode(), np.ones(recipe.width, "f4"))
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


def test_lines_of_an_answer_stay_lines():
    assert shown_lines("one\ntwo\x1b[1m") == "one\ntwo\\x1b[1m"
