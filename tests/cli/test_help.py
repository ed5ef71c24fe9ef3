"""Every help text and usage error, word for word, against the files in `tests/cli/help`.

``python tests/cli/test_help.py`` writes the files anew; read what changed before committing them.
"""

import contextlib
import io
import os
import shlex
from pathlib import Path

import pytest

from bottlebank.cli import main

FOLDER = Path(__file__).parent / "help"
COLUMNS = "100"
COMMANDS = [
    "", "extract", "train", "finetune", "evaluate", "audit", "compare", "predict", "similar",
    "plot", "export", "serve", "extractors", "demo",
    "look", "look adversarial", "look features", "look maximise", "look saliency", "look style",
    "cache", "keys", "keys add", "keys list", "keys remove",
    "cache info", "cache verify", "cache prune", "cache export", "cache import",
]  # fmt: skip
USAGE_ERRORS = """
bottlebank
bottlebank cache
bottlebank fly
bottlebank trian photos
bottlebank cache verfy
bottlebank --verson
bottlebank -x extract photos
bottlebank --json extract photos
bottlebank extract
bottlebank extract photos more
bottlebank extract photos more and more
bottlebank extract photos -x
bottlebank extract photos --extr random
bottlebank extract photos --extracter random
bottlebank extract photos --json=yes
bottlebank extract photos --extractor
bottlebank extract photos --cache --json
bottlebank extract photos --cache ''
bottlebank extract photos --engine torch
bottlebank extract photos --fit Crop
bottlebank extract photos --commit-every 0
bottlebank extract photos --commit-every -1
bottlebank extract photos --commit-every many
bottlebank extract photos --exclude ,
bottlebank extract ''
bottlebank train
bottlebank train photos --ouput head.h5
bottlebank train photos --ouput=head.h5
bottlebank train photos --output head.h5 --head knn
bottlebank train photos --output head.h5 --hidden 64,none
bottlebank train photos --output head.h5 --coverage 1
bottlebank train photos --output head.h5 --seed -1
bottlebank train photos --output head.pkl
bottlebank compare photos --heads logistic,svm
bottlebank compare photos --folds 1
bottlebank compare photos --extractor random
bottlebank evaluate photos
bottlebank evaluate photos --head head.h5 --split all-of-it
bottlebank predict --head head.h5
bottlebank predict --top 0 photo.jpg
bottlebank plot photos -o map.pdf
bottlebank plot photos -o map.png --method t-sne
bottlebank export --head head.h5 --output exported
bottlebank export --head head.h5 --output exported --format coreml
bottlebank export --head head.h5 --output exported --format onnx --quantize
bottlebank export --head head.h5 --output exported --format litert --quantize
bottlebank export --head head.h5 --output model.tflite --format litert
bottlebank serve
bottlebank serve --head head.h5 --heads heads
bottlebank serve --head head.h5 --port 99999
bottlebank serve --head head.h5 --queue none
bottlebank serve --head head.h5 --allowed-hosts http://a.example
bottlebank serve --head head.h5 --fetch-from 127.0.0.1
bottlebank demo digits
bottlebank extractors a b
bottlebank extractors missing.onnx
bottlebank cache info more
bottlebank cache export
bottlebank cache import a b
bottlebank cache prune --whole
bottlebank cache prune --yes=no
""".strip().splitlines()


def answer(command: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(shlex.split(command)[1:])
    return code, out.getvalue(), err.getvalue()


def file_of(command: str) -> Path:
    return FOLDER / f"{' '.join(['bottlebank', *command.split()]).replace(' ', '-')}.txt"


def usage_errors() -> str:
    """Each command, its exit code, and what it says; of a help, its first line."""
    lines = []
    for command in USAGE_ERRORS:
        code, out, err = answer(command)
        assert out == "", command
        lines += [f"$ {command}", f"{code}: {err.splitlines()[0]}", ""]
    return "\n".join(lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_the_recorded_one(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", COLUMNS)
    assert answer(f"bottlebank {command} --help") == (0, file_of(command).read_text(), "")
    assert answer(f"bottlebank {command} -h")[1] == file_of(command).read_text()


def test_there_is_no_file_without_a_command():
    files = {file_of(command).name for command in COMMANDS} | {"usage-errors.txt"}
    assert {path.name for path in FOLDER.iterdir()} == files


def test_usage_errors_are_the_recorded_ones(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", COLUMNS)
    monkeypatch.chdir(tmp_path)
    assert usage_errors() == (FOLDER / "usage-errors.txt").read_text()
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    os.environ["COLUMNS"] = COLUMNS
    for name in COMMANDS:
        file_of(name).write_text(answer(f"bottlebank {name} --help")[1])
    (FOLDER / "usage-errors.txt").write_text(usage_errors())
