"""Networks of `keras.applications` with drawn weights, at small sizes; and a run that is killed."""

import signal
import subprocess
import sys

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.features import find_backbone

from .conftest import TOYS

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 with NumPy 2: of variables that it makes arrays of.
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
]


@pytest.mark.parametrize(
    ("name", "size_px", "n_blocks"),
    [
        ("resnet50_v2", 32, 1),
        ("efficientnet_v2_b0", 32, 2),
        ("convnext_tiny", 32, 4),
        ("inception_v3", 75, 1),
        ("vgg16", 32, 1),
    ],
)
def test_each_architecture_is_fine_tuned(photos, tmp_path, name, size_px, n_blocks):
    import keras

    build = getattr(keras.applications, find_backbone(name).constructor.partition(":")[2])
    weights = tmp_path / "drawn.weights.h5"
    build(weights=None, include_top=False, input_shape=(size_px, size_px, 3)).save_weights(weights)
    cache, common = tmp_path / "cache", {"precision": "float32", "engine": "openvino"}
    table = bb.extract(photos, name, weights=weights, size=size_px, cache=cache, **common)
    bb.save_head(bb.train_head(table), tmp_path / "head.h5")
    given = {"unfreeze": n_blocks, "epochs": 2, "cache": cache, "weights": weights, **common}
    tuned = bb.finetune(photos, tmp_path / "head.h5", tmp_path / "tuned", **given)
    assert len(tuned.blocks) == n_blocks
    assert tuned.table.recipe.input_size_px == size_px
    assert tuned.table.recipe.fingerprint != table.recipe.fingerprint
    assert not np.array_equal(tuned.table.features, table.features)
    rows = tuned.trained.split.rows("validation")
    answers = tuned.head.predict_proba(tuned.table.features[rows]).argmax(axis=1)
    right = np.array(tuned.head.classes)[answers] == tuned.table.labels[rows]
    best = tuned.epochs.history[tuned.epochs.best - 1]
    assert abs(right.mean() - best.validation_accuracy) <= 1 / len(rows)


SCRIPT = """
import os
import signal
import sys
sys.path.insert(0, sys.argv[1])
import toy_tunable
from bottlebank.features.backbones.registry import BACKBONES
from bottlebank.training.finetuning.checkpoint import Checkpoint
from bottlebank.training.finetuning.trainer import Trainer
BACKBONES["tunable"] = toy_tunable.LINE
owner, name = {"batch": (Trainer, "train"), "checkpoint": (Checkpoint, "save")}[sys.argv[2]]
left, usual = int(sys.argv[3]), getattr(owner, name)

def last(self, *given):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return usual(self, *given)

setattr(owner, name, last)
from bottlebank.cli import main
sys.exit(main(sys.argv[4:]))
"""
EPOCHS, NEVER = 5, 10**9


def test_a_run_that_is_killed_in_any_epoch_goes_on_to_the_same_bytes(case, tmp_path):
    def run(output, what="batch", n_before=NEVER):
        command = [sys.executable, "-c", SCRIPT, TOYS, what, n_before]
        command += ["finetune", case.photos, "--head", case.head, "--output", output]
        command += ["--cache", case.cache, "--epochs", EPOCHS, "--unfreeze", 2]
        command += ["--learning-rate", 0.001, "--batch-size", 8]
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=300, check=False
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run(whole)
    assert done.returncode == 0, done.stderr
    # In the first epoch, before the first checkpoint, in the middle of the third epoch: it goes on
    # where the last checkpoint was.
    for what, n_before in (("batch", 1), ("checkpoint", 0), ("checkpoint", 2), ("batch", 1)):
        assert run(killed, what, n_before).returncode == -signal.SIGKILL
    last = run(killed)
    assert last.returncode == 0, last.stderr
    epochs = [line for line in last.stderr.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["3", "4", "5"]
    for name in ("extractor.weights.h5", "curves.png"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    heads = [bb.load_head(folder / "head.h5") for folder in (whole, killed)]
    assert heads[0].version == heads[1].version
    assert sorted(path.name for path in killed.iterdir()) == [
        "curves.png",
        "extractor.weights.h5",
        "head.h5",
    ]
