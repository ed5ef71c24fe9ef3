"""The checkpoint: whole or not there, of this run or refused, damage noticed."""

import errno
import os

import numpy as np
import pytest

from bottlebank.classifier.dense_training import Epoch
from bottlebank.errors import BottlebankError, UsageError
from bottlebank.training.finetuning.checkpoint import Checkpoint, Standing, digest_of

RUN = {"learning_rate": 1e-4, "head": "0123", "training_images": digest_of(b"keys", [1, 2])}
STANDING = Standing(
    [Epoch(0.5, 0.25, 0.75), Epoch(0.1, 1 / 3, 0.8)],
    np.arange(7, dtype=np.float32),
    np.float32([0.1, -0.2]),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def test_what_is_saved_is_loaded(path):
    checkpoint = Checkpoint(path, RUN)
    assert checkpoint.load(7, 2) is None
    checkpoint.save(STANDING)
    found = Checkpoint(path, RUN).load(7, 2)
    assert found.history == STANDING.history
    assert found.state.tobytes() == STANDING.state.tobytes()
    assert found.best.tobytes() == STANDING.best.tobytes()
    checkpoint.remove()
    checkpoint.remove()
    assert not path.exists()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({**RUN, "learning_rate": 0.1}, r"\(learning rate 0.0001 → 0.1\): run that one to its end"),
        ({**RUN, "training_images": digest_of(b"other")}, "training images"),
        ({**RUN, "views": 4}, "views None → 4"),
    ],
)
def test_another_run_is_refused_and_the_file_stays(path, run, message):
    Checkpoint(path, RUN).save(STANDING)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=message):
        Checkpoint(path, run).load(9, 3)
    assert path.read_bytes() == before


def test_a_flipped_bit_anywhere_gives_no_other_numbers(path, caplog):
    checkpoint = Checkpoint(path, RUN)
    checkpoint.save(STANDING)
    whole = path.read_bytes()
    n_noticed = 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = checkpoint.load(7, 2)
        except UsageError:
            n_noticed += 1
            continue
        if found is None:
            n_noticed += 1
        else:  # such as the date of a member
            assert found.history == STANDING.history
            assert found.state.tobytes() == STANDING.state.tobytes()
            assert found.best.tobytes() == STANDING.best.tobytes()
    assert n_noticed > len(whole) // 6
    assert "cannot be read" in caplog.text
    assert "training begins again" in caplog.text


@pytest.mark.parametrize("n_bytes", [0, 1, 100, 700])
def test_a_torn_file_is_noticed(path, n_bytes):
    checkpoint = Checkpoint(path, RUN)
    checkpoint.save(STANDING)
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert checkpoint.load(7, 2) is None


def test_of_other_sizes_nothing_is_taken(path):
    checkpoint = Checkpoint(path, RUN)
    checkpoint.save(STANDING)
    assert checkpoint.load(8, 2) is None
    assert checkpoint.load(7, 3) is None


def test_on_a_full_disk_the_one_before_stays(path, monkeypatch):
    checkpoint = Checkpoint(path, RUN)
    checkpoint.save(STANDING)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BottlebankError, match=r"No space left on device; the checkpoint of the ep"):
        checkpoint.save(STANDING._replace(history=STANDING.history[:1]))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint.npz"]
