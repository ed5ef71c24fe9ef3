"""A reader that crashes, spins or wants all memory costs its file only."""

import signal
import sys
import time

import pytest

from bottlebank.untrusted import child, isolation
from bottlebank.untrusted.isolation import DiedError, FailedError, isolated_reader

pytestmark = pytest.mark.usefixtures("real_children")

READERS = """
import os, signal, time

def send_all(send, *values):
    for value in values:
        send({"value": value}, value.encode(), b"")

def send_each(send, *values):
    for value in values:
        send({"value": value})

def crash(send):
    send({"value": "first"})
    os.kill(os.getpid(), signal.SIGSEGV)

def spin(send):
    while True:
        pass

def wait(send):
    time.sleep(1000)

def fill(send):
    blocks = [bytes(1 << 28) for _ in range(40)]

def refuse(send):
    raise ValueError("no such thing")

def leave(send):
    os._exit(3)

def go_on(send):
    for _ in range(10**9):
        send({}, bytes(1 << 20))
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Everything that a reader sends."""
    (tmp_path / "readers.py").write_text(READERS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def run(function, *arguments):
        with isolated_reader("readers", function, *arguments) as messages:
            return list(messages)

    return run


def test_what_is_sent_arrives(read):
    words = ["a", "\u202e\0\n", ""]
    assert [(sent.about["value"], *sent.parts) for sent in read("send_all", *words)] == [
        (word, word.encode(), b"") for word in words
    ]


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        ("crash", DiedError, "it crashes its reader: SIGSEGV"),
        ("spin", DiedError, "more than 1 s at one place"),
        ("refuse", FailedError, "^no such thing$"),
        ("leave", DiedError, "exit code 3"),
        ("absent", DiedError, "exit code 1"),
    ],
)
def test_it_costs_the_file_only(read, function, error, match):
    start = time.monotonic()
    with pytest.raises(error, match=match):
        read(function)
    assert time.monotonic() - start < 30  # a bound for hangs


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory is in use")
def test_memory_is_bounded(read):
    with pytest.raises(FailedError, match="MemoryError"):
        read("fill")


def test_one_that_waits_for_ever_is_ended(read, monkeypatch):
    monkeypatch.setattr(isolation, "_PATIENCE_S", 1)
    with pytest.raises(DiedError, match="said nothing for 1 s"):
        read("wait")


@pytest.fixture
def started(monkeypatch):
    """The processes that readers run in; one that has been waited for has an exit code."""
    processes = []

    def start_child(*arguments, **settings):
        process, connection = child.start_child(*arguments, **settings)
        processes.append(process)
        return process, connection

    monkeypatch.setattr(isolation, "start_child", start_child)
    return processes


def test_one_that_nobody_listens_to_any_more_is_ended(read, started):
    with isolated_reader("readers", "go_on") as messages:
        next(messages)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_it_is_ended_by_an_interrupt(read, started):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            read("wait")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_arguments_may_be_many_and_long(read):
    words = ["帽子\udcff\n" * 1000] * 300 + [" "]  # 9 MB in JSON
    assert [message.about["value"] for message in read("send_each", *words)] == words


def test_a_reader_that_dies_before_it_has_listened(monkeypatch, read):
    monkeypatch.setattr(child, "_CHILD", "raise SystemExit(7)")
    with pytest.raises(DiedError, match="ended with exit code 7"):
        read("send_all", "x" * 10_000_000)


def test_modules_of_the_current_folder_are_not_run(read, tmp_path, monkeypatch):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("json", "socket", "multiprocessing"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w')")
    monkeypatch.chdir(folder)
    assert [message.about for message in read("send_all", "a")] == [{"value": "a"}]
    assert not (tmp_path / "harm").exists()
