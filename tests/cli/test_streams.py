"""Streams that nobody reads, or whose disk is full: what was asked for is done all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from bottlebank import progress
progress._FIRST_LINE_S = 0.01
from bottlebank.cli import run
sys.argv[0] = "bottlebank"
run()
"""


@pytest.fixture
def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def bottlebank(*arguments, **streams):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], **streams, text=True, check=False
    )


@pytest.fixture(params=["closed", "full"])
def unheard(request, closed_pipe):
    if request.param == "closed":
        yield closed_pipe
        return
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        yield full.fileno()


def test_remarks_that_nobody_hears_stop_no_work(photos, options, tmp_path, unheard):
    head = tmp_path / "head.h5"
    done = bottlebank("train", photos, "-o", head, *options, stdout=subprocess.PIPE, stderr=unheard)
    assert done.returncode == 0
    assert f"wrote {head}" in done.stdout
    assert head.is_file()


def test_an_answer_that_nobody_reads_is_no_fault(photos, options, tmp_path, closed_pipe):
    head = tmp_path / "head.h5"
    done = bottlebank(
        "train", photos, "-o", head, *options, stdout=closed_pipe, stderr=subprocess.PIPE
    )
    assert (done.returncode, head.is_file()) == (0, True)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize("how", [["--json"], []])
def test_an_answer_that_has_no_room_is_said(photos, options, cache, how):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = bottlebank(
            "cache", "info", "--cache", cache, *how, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr == ("bottlebank: the answer could not be written: No space left on device\n")


CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-", "all": "<&- >&- 2>&-"}


def bottlebank_with_closed(stream, *arguments):
    script = f'exec "$@" {CLOSED[stream]}'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stream", ["stdout", "stderr", "all"])
def test_closed_streams_are_empty_ones(photos, head, cache, stream):
    images = [photos / "disc" / "00.png", "missing.png"]
    where = ["--head", head, "--cache", cache]
    done = bottlebank_with_closed(stream, "predict", *images, *where)
    assert done.returncode == 0
    assert ("disc" in done.stdout) == (stream == "stderr")
    assert ("missing.png: cannot be read" in done.stderr) == (stream == "stdout")
    assert "missing.png" not in done.stdout
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_a_closed_standard_input_has_no_image(head, cache):
    done = bottlebank_with_closed("stdin", "predict", "-", "--head", head, "--cache", cache)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "-: the file is empty (0 bytes)\n"


@pytest.mark.parametrize("stream", ["stdout", "all"])
@pytest.mark.parametrize(("arguments", "code"), [(["extract", "--help"], 0), (["extract"], 2)])
def test_closed_streams_of_what_only_prints(stream, arguments, code):
    done = bottlebank_with_closed(stream, *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["--version"]])
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_help_that_has_no_room_is_said(arguments, unbuffered):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = bottlebank(
            *arguments, stdout=full, stderr=subprocess.PIPE, env={**os.environ, **unbuffered}
        )
    assert done.returncode == 1
    assert done.stderr == "bottlebank: the answer could not be written: No space left on device\n"


@pytest.mark.parametrize("step", ["source", "complete"])
def test_completion_that_has_no_room_is_said(step):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    words = {"COMP_WORDS": "bottlebank ", "COMP_CWORD": "1"}
    wanted = {"_BOTTLEBANK_COMPLETE": f"zsh_{step}", **words}
    with open("/dev/full", "w") as full:
        done = bottlebank(stdout=full, stderr=subprocess.PIPE, env={**os.environ, **wanted})
    assert done.returncode == 1
    assert done.stderr == "bottlebank: the answer could not be written: No space left on device\n"


def test_help_that_nobody_reads_is_no_fault(closed_pipe):
    done = bottlebank("predict", "--help", stdout=closed_pipe, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_and_judging_load_no_pictures(photos, options, tmp_path):
    head = tmp_path / "head.h5"
    for arguments in (
        ["train", photos, "-o", head, *options],
        ["evaluate", photos, "--head", head, *options[options.index("--cache") :]],
    ):
        script = (
            "import sys; from bottlebank.cli import main; main(sys.argv[1:]);"
            "heavy = ('matplotlib', 'sklearn', 'tensorflow');"
            "print([name for name in heavy if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"
