"""Ctrl-C, SIGTERM and a closed terminal: one line, exit code 130, and cleaned up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import click
import pytest

from bottlebank import cli
from bottlebank.errors import EngineError

SAID = "bottlebank: interrupted\n"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def signals_as_on_a_terminal():
    """What runs in the background of a shell, or under nohup, begins with some of them ignored."""
    defaults = [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]
    before = [signal.signal(*pair) for pair in zip(SIGNALS, defaults, strict=True)]
    yield
    for pair in zip(SIGNALS, before, strict=True):
        signal.signal(*pair)


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a function as a command does; its exit code, and what is on stderr."""

    def run(function):
        monkeypatch.setitem(cli.program.commands, "do", click.Command("do", callback=function))
        before = [signal.getsignal(number) for number in SIGNALS], sys.unraisablehook
        code = cli.main(["do"])
        assert ([signal.getsignal(number) for number in SIGNALS], sys.unraisablehook) == before
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("error", [ImportError, EngineError])
def test_what_a_library_makes_of_it_is_no_failure(command, number, error):
    """NumPy says of an interrupted import that its installation is broken."""

    def convert():
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise error("PLEASE READ THIS") from None

    assert command(convert) == (130, SAID)


@pytest.mark.parametrize(
    ("name", "afterwards"),
    [
        ("extract", "; what was committed is kept: run the command again to continue"),
        ("audit", "; what was committed is kept: run the command again to continue"),
        ("similar", "; what was committed is kept: run the command again to continue"),
        ("predict", "; predictions are not kept, and --output is written only once all are made"),
        ("extractors", ""),
    ],
)
def test_it_is_said_what_the_command_leaves(monkeypatch, capsys, name, afterwards):
    def compute():
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(cli.program.commands, name, click.Command(name, callback=compute))
    assert cli.main([name]) == 130
    assert capsys.readouterr().err == f"bottlebank: interrupted{afterwards}\n"


def test_one_that_python_drops_is_raised_again(command):
    class Interrupting:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def drop():
        thing = Interrupting()
        del thing
        time.sleep(60)

    assert command(drop) == (130, SAID)


def test_cleaning_up_is_not_interrupted(command):
    cleaned = []

    def clean_up():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for number in SIGNALS:
                signal.raise_signal(number)
            cleaned.append(True)

    assert command(clean_up) == (130, SAID)
    assert cleaned == [True]


def test_a_signal_that_is_ignored_stays_so(command):
    """As `nohup` does with SIGHUP, and a shell's script with Ctrl-C in its background."""

    def go_on():
        signal.raise_signal(signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert command(go_on) == (0, "")
    finally:
        signal.signal(signal.SIGHUP, before)


def listen():
    """As from a terminal: what a shell starts in its background ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_second_one_ends_what_runs_no_python(tmp_path):
    script = """
import click, hashlib, sys
from bottlebank import cli
from bottlebank.cli import interrupts
def compute():
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
cli.program.add_command(click.Command("compute", callback=compute))
sys.argv[1:] = ["compute"]
interrupts._ONE_KEYSTROKE_S = 0.1
cli.run()
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes, preexec_fn=listen) as process:
        assert process.stdout.readline() == "begun\n"
        for _ in range(200):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            break
        else:
            process.kill()
        assert (process.returncode, process.stderr.read()) == (130, SAID)


def test_one_while_the_program_is_imported_leaves_no_traceback():
    script = """
import signal, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == "bottlebank.cli":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from bottlebank.__main__ import run
run()
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, preexec_fn=listen, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
