"""SIGKILL at random moments of an extraction, of the main process or of it with its workers."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import CacheFolder

from .faults import assert_sound, rows_in_shards

N_IMAGES = 120
COMMIT_EVERY = 8

# Imports once, and extracts in a fresh fork for every line that it reads: the name of a cache.
# Every row is said before it goes into the open shard, and every commit after it has returned.
EXTRACTING = """
import os, sys
import openvino
import bottlebank as bb
from bottlebank.cache.shards.shard_writer import Rows
from bottlebank.cache.writer import Writer
from bottlebank import extraction

photos, commit_every = sys.argv[1], int(sys.argv[2])


def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())


def extend(self, keys, paths, features, real=Rows.extend):
    say("add", *(str(key) for key in keys))
    real(self, keys, paths, features)


def commit(self, real=Writer.commit):
    keys = [str(key) for key in self._rows.keys]
    real(self)
    say("committed", *keys)


Rows.extend, Writer.commit = extend, commit
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        os.setsid()
        say("started", str(os.getpid()))
        settings = {"engine": "openvino", "precision": "float32", "commit_every": commit_every}
        extraction.extract(bb.load_dataset(photos), "random", cache=line.rstrip(), **settings)
        say("finished")
        os._exit(0)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    say("gone")
    sys.stdin.readline()  # until here its number is its own: a late kill hits nobody else
    os.waitpid(process, 0)
"""


class Extractions:
    """One process that extracts on demand, each time in a fork of its own."""

    def __init__(self, photos):
        command = [sys.executable, "-c", EXTRACTING, photos, str(COMMIT_EVERY)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._process = subprocess.Popen(command, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.kill()
        self._process.communicate()

    def run(self, cache, kill_after_s=None, kill=os.kill):
        """Extract; kill it after a time. Returns (rows said, rows committed, finished)."""
        self._process.stdin.write(f"{cache}\n")
        word, pid = self._process.stdout.readline().split()
        assert word == "started"
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            kill(int(pid), signal.SIGKILL)
        said, committed, finished = [], set(), False
        for line in self._process.stdout:
            word, *keys = line.split()
            if word == "gone":
                break
            if word == "add":
                said += keys
            elif word == "committed":
                committed.update(keys)
            finished = finished or word == "finished"
        self._process.stdin.write("next\n")
        return set(said), committed, finished


def stored(root):
    """Every row of the only variant, by key."""
    with CacheFolder(root) as folder:
        caches = list(folder.all())
        if not caches:
            return {}
        (cache,) = caches
        assert_sound(folder, cache)
        keys = cache.keys()
        return dict(zip((str(key) for key in keys), cache.rows(keys), strict=True))


@pytest.fixture
def many_photos(tmp_path):
    root = tmp_path / "many"
    (root / "noise").mkdir(parents=True)
    for number in range(N_IMAGES):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "noise" / f"{number:03d}.png")
    return root


@pytest.mark.parametrize(
    "n_kills", [10, pytest.param(200, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_kill_costs_at_most_the_open_shard(
    many_photos, cache, tmp_path, n_kills, record_property
):
    chance = random.Random(n_kills)
    networks = cache / "networks"
    done = widest_loss = n_rounds = 0
    with Extractions(many_photos) as extractions:
        extractions.run(new_cache(tmp_path / "whole", networks))
        expected = stored(tmp_path / "whole")
        assert len(expected) == N_IMAGES
        start = time.monotonic()
        extractions.run(new_cache(tmp_path / "timed", networks))
        takes_s = time.monotonic() - start
        while done < n_kills:
            root = new_cache(tmp_path / f"round {n_rounds}", networks)
            promised: set[str] = set()
            announced: set[str] = set()
            finished = False
            while done < n_kills and not finished:
                kill = chance.choice([os.kill, os.killpg])
                said, committed, finished = extractions.run(root, chance.uniform(0, takes_s), kill)
                promised |= committed
                announced |= said
                found = stored(root)
                assert promised <= found.keys() <= announced
                n_lost = len(said - found.keys())
                assert n_lost <= COMMIT_EVERY
                widest_loss = max(widest_loss, n_lost)
                done += not finished
            said, _, _ = extractions.run(root)
            assert announced | said == expected.keys()
            assert_equals_an_uninterrupted_run(root, expected)
            n_rounds += 1
    record_property("kills", done)
    record_property("rounds", n_rounds)
    record_property("rows lost at most", widest_loss)


def new_cache(root, networks):
    """A cache without rows, in which the extractor starts without TensorFlow."""
    root.mkdir()
    (root / "networks").symlink_to(networks)
    return root


def assert_equals_an_uninterrupted_run(root, expected):
    found = stored(root)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert np.array_equal(found[key], row)
    with CacheFolder(root) as folder:
        assert rows_in_shards(next(folder.all())) == N_IMAGES  # no row twice
