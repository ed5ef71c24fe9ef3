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
