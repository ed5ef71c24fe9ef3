import contextlib
import fcntl
import io
import itertools
import os
import pty
import struct
import sys
import termios
import time

import pytest

from bottlebank import progress
from bottlebank.native_stderr import silent_stderr
from bottlebank.progress import Progress
from bottlebank.reports.steps import Steps


@contextlib.contextmanager
def terminal(shown):
    """A pseudo-terminal as stderr; what it has shown is added to a list."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, contextlib.redirect_stderr(stream):
        yield
        stream.write("\nend.")
        stream.flush()
        text = b""
        while not text.endswith(b"end."):
            text += os.read(ours, 65536)
        shown.append(text.decode())
    os.close(ours)


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing came in time")


def test_a_terminal_shows_a_bar_with_count_and_note():
    shown = []
    with terminal(shown), Progress("Extracting", 100, initial=40, unit="images") as bar:
        bar.note("waiting for decode")
        bar.update(10)
        bar._bar.refresh()
    (text,) = shown
    assert "Extracting:  50%" in text
    assert "50/100" in text
    assert "waiting for decode" in text
    assert text.endswith(" \r\r\nend.")  # the line is empty again


@pytest.mark.parametrize("lines_and_columns", [(24, 60), (0, 60), (24, 0), (0, 0)])
def test_a_terminal_of_any_size_shows_a_bar(lines_and_columns):
    shown = []
    with terminal(shown):
        size = struct.pack("HHHH", *lines_and_columns, 0, 0)
        fcntl.ioctl(sys.stderr.fileno(), termios.TIOCSWINSZ, size)
        with Progress("Extracting", 100) as bar:
            bar._bar.refresh()
    assert "Extracting:   0%|" in shown[0]


def test_a_pipe_gets_lines_at_growing_intervals(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.01)
    with Progress("Extracting", 3000, initial=1000) as bar:
        bar.update(500)
        until(lambda: stream.getvalue().count("\n") >= 2)
    first = stream.getvalue().splitlines()[-1]
    assert first.startswith("Extracting: 1,500 of 3,000 images, ")
    assert "images/s, about " in first
    assert "\r" not in stream.getvalue()


def test_a_pipe_gets_lines_at_a_given_interval_of_what_is_at_work(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.03)
    with Progress("Demo", every_s=0.01), Progress("Extracting"):
        until(lambda: stream.getvalue().count("\n") >= 20)
    lines = stream.getvalue().splitlines()
    assert sum(line.startswith("Extracting: ") for line in lines) >= len(lines) - 2


def test_short_work_says_nothing_in_a_pipe(capfd):
    with Progress("Extracting", 10) as bar:
        bar.update(10)
    assert capfd.readouterr() == ("", "")


def test_false_is_silent_on_a_terminal_too():
    shown = []
    with terminal(shown), Progress("Extracting", 10, show=False) as bar:
        bar.update(10)
        bar.start_counting()
    assert shown == ["\r\nend."]


def test_it_shows_while_libraries_are_silenced(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.01)
    with Progress("Converting"), silent_stderr():
        time.sleep(0.1)
    assert "Converting: 0 s" in capfd.readouterr().err


def test_start_up_is_left_out_of_the_speed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = Progress("Extracting", 110, show=False)
    now[0] = 26.0
    bar.update(10)  # known by content, read during the start-up
    bar.start_counting()
    now[0] = 28.0
    bar.update(20)
    assert bar._line() == "Extracting: 30 of 110 images, 2 s, 10 images/s, about 8 s left"


def test_a_count_from_elsewhere_never_goes_back():
    with Progress("t-SNE", 1000, show=False) as bar:
        bar.reach(250)
        bar.reach(200)
    assert bar._n == 250


def test_a_terminal_shows_one_line_at_a_time():
    shown = []
    with terminal(shown), Progress("Extracting", 400) as outer:
        with Progress("Converting"):
            outer.update(100)
            outer._bar.refresh()
        outer.update(100)
        outer._bar.refresh()
    (text,) = shown
    assert "\n" not in text.removesuffix("\r\nend.")
    assert "\x1b" not in text
    names = [part.split(":")[0] for part in text.split("\r") if ":" in part]
    assert [name for name, _ in itertools.groupby(names)] == [
        "Extracting",
        "Converting",
        "Extracting",
    ]
    assert "50%" in text


@pytest.mark.parametrize("totals", [*itertools.product([None, 0, 100], repeat=3)])
def test_on_a_terminal_work_of_any_kind_goes_on_within_any_other(totals):
    shown = []
    with terminal(shown), contextlib.ExitStack() as going_on:
        for level, total in enumerate(totals):
            bar = going_on.enter_context(Progress(f"level {level}", total))
            bar.note("at work")
            bar._bar.refresh()
    assert [f"level {level}" in shown[0] for level in range(3)] == [True] * 3


def test_on_a_terminal_a_step_has_work_in_it():
    shown, said = [], []
    with terminal(shown):
        step = Steps(said.append)
        with step("Training the head") as done:
            with Progress("Training a dense head") as bar:
                bar._bar.refresh()
            step.note("epoch 1")
            done("trained")
    assert "Training a dense head" in shown[0]
    assert said[0].endswith("trained")


def test_a_pipe_has_lines_of_what_is_at_work(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.01)
    with Progress("Extracting", 100):
        with Progress("Converting"):
            until(lambda: "Converting" in stream.getvalue())
            before = stream.getvalue().count("Extracting")
            until(lambda: stream.getvalue().count("Converting") >= 3)
            assert stream.getvalue().count("Extracting") <= before + 1
        until(lambda: stream.getvalue().splitlines()[-1].startswith("Extracting"))
