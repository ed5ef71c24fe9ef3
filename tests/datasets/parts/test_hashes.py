"""Hashes that have been there before are known, and knowing them stays cheap."""

import random

import numpy as np
import pytest

from bottlebank.datasets.parts import hashes
from bottlebank.datasets.parts.hashes import SeenHashes


@pytest.fixture
def n_moved(monkeypatch):
    """How many numbers each array has that is made of others, in place of what was there."""
    found = []

    class Counting:
        def __getattr__(self, name):
            def counted(*arguments, **options):
                made = getattr(np, name)(*arguments, **options)
                found.append(len(made))
                return made

            return counted if name in ("union1d", "concatenate") else getattr(np, name)

    monkeypatch.setattr(hashes, "np", Counting())
    return found


def digests(n):
    source = random.Random(7)
    return [source.randbytes(8) for _ in range(n)]


@pytest.mark.parametrize("n", [0, 9, 10, 11, 500, 10_007])
def test_each_is_new_once(monkeypatch, n):
    monkeypatch.setattr(hashes, "_NEW_AT_ONCE", 10)
    seen, some = SeenHashes(), digests(n)
    assert all(seen.add(digest) for digest in some)
    assert len(seen) == n
    assert not any(seen.add(digest + b"what follows") for digest in some)
    assert len(seen) == n


def test_the_least_and_the_largest(monkeypatch):
    monkeypatch.setattr(hashes, "_NEW_AT_ONCE", 1)
    seen = SeenHashes()
    assert [seen.add(bytes(8)), seen.add(b"\xff" * 8)] == [True, True]
    assert [seen.add(bytes(8)), seen.add(b"\xff" * 8)] == [False, False]


def test_numbers_are_moved_a_logarithmic_number_of_times(monkeypatch, n_moved):
    monkeypatch.setattr(hashes, "_NEW_AT_ONCE", 10)
    seen = SeenHashes()
    for digest in digests(10_000):
        seen.add(digest)
    assert sum(n_moved) <= 10_000 * 12  # by merging all with each ten, 5 million


def test_they_take_8_bytes_each(monkeypatch):
    monkeypatch.setattr(hashes, "_NEW_AT_ONCE", 10)
    seen = SeenHashes()
    for digest in digests(10_000):
        seen.add(digest)
    assert sum(run.nbytes for run in seen._runs) + 8 * len(seen._new) == 80_000
    assert len(seen._runs) <= 11
