"""Guesses at keys, against the real server."""

from __future__ import annotations

import http.client
import random
import statistics
import sys
import time
import urllib.parse

import pytest
from scipy.stats import mannwhitneyu

from bottlebank.service import Settings
from bottlebank.service.access.key_file import KeyFile, add_key

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
N_GUESSES = 10_000
N_PARTS = 5


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys.txt"


def guesses_at(key, chance):
    """Random keys, and keys that begin as the right one does: all but the last of its 46 letters.

    In random order, so that what the machine does meanwhile meets both alike.
    """

    def random_key():
        return "bb_" + "".join(chance.choices(LETTERS, k=43))

    def near_key():
        last = chance.choice([letter for letter in LETTERS if letter != key[-1]])
        return key[:-1] + last

    kinds = ["random", "near"] * (N_GUESSES // 2)
    chance.shuffle(kinds)
    guesses = [(kind, random_key() if kind == "random" else near_key()) for kind in kinds]
    # Copies that lie in memory in this order: how a text came about must not matter either.
    return [(kind, guess.encode().decode()) for kind, guess in guesses]


def report(line):
    """For the figures in the documentation: `pytest -s` shows them."""
    sys.stderr.write(f"{line}\n")


def share_of_longer(took):
    """In how many pairs the near guess takes longer than the random one: half, as a coin's toss.

    The median of five parts, each with a standard error of 0.013 by chance alone: what else the
    machine did during one of them does not count.
    """
    shares = []
    for part in range(N_PARTS):
        some = slice(part * N_GUESSES // 2 // N_PARTS, (part + 1) * N_GUESSES // 2 // N_PARTS)
        near, others = took["near"][some], took["random"][some]
        shares.append(mannwhitneyu(near, others).statistic / (len(near) * len(others)))
    return statistics.median(shares)


@pytest.mark.slow
def test_ten_thousand_guesses_give_nothing_and_take_the_same_time(
    make_app, run_server, key_file, encode
):
    key = [add_key(key_file, f"app{number}") for number in range(5)][2]
    settings = Settings(keys=str(key_file))
    server = run_server(make_app(settings=settings), settings)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)

    def send(guess):
        began = time.perf_counter_ns()
        connection.request("GET", "/heads", headers={"X-API-Key": guess})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, body, time.perf_counter_ns() - began

    took = {"random": [], "near": []}
    bodies = set()
    for kind, guess in guesses_at(key, random.Random(0)):
        status, body, nanoseconds = send(guess)
        assert status == 401
        bodies.add(body)
        took[kind].append(nanoseconds)
    assert len(bodies) == 1
    assert send(key)[0] == 200
    connection.close()
    share = share_of_longer(took)
    report(f"over HTTP, a near guess takes longer in {100 * share:.1f} % of pairs")
    assert 0.46 < share < 0.54


@pytest.mark.slow
def test_looking_a_guess_up_takes_the_same_time(tmp_path):
    """As above, without HTTP, whose noise would hide much, and with ten keys."""
    shares = []
    for number in range(10):
        key_file = tmp_path / f"keys-{number}.txt"
        key = [add_key(key_file, f"app{position}") for position in range(5)][2]
        keys = KeyFile(key_file)
        took = {"random": [], "near": []}
        for kind, guess in guesses_at(key, random.Random(number)):
            began = time.perf_counter_ns()
            found = keys.find(guess)
            took[kind].append(time.perf_counter_ns() - began)
            assert found is None
        shares.append(share_of_longer(took))
    share = statistics.mean(shares)
    report(f"without HTTP, a near guess takes longer in {100 * share:.1f} % of pairs")
    assert 0.46 < share < 0.54


@pytest.mark.slow
def test_a_served_rate_holds_within_five_percent(make_app, run_server, key_file):
    key = add_key(key_file, "app")
    settings = Settings(keys=str(key_file), rate_limit="40/s")
    server = run_server(make_app(settings=settings), settings)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)

    def accepted():
        connection.request("GET", "/heads", headers={"X-API-Key": key})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 429)
        return answer.status == 200

    try:
        while accepted():  # the burst
            pass
        began, n_accepted, n_sent = time.monotonic(), 0, 0
        while time.monotonic() < began + 10:
            n_accepted += accepted()
            n_sent += 1
        seconds = time.monotonic() - began
    finally:
        connection.close()
    report(f"40 requests/s allowed, {n_accepted / seconds:.2f} accepted of {n_sent / seconds:.0f}")
    assert n_sent > 2 * n_accepted
    assert n_accepted == pytest.approx(40 * seconds, rel=0.05)
