"""Networks of `keras.applications` with drawn weights, at small sizes; and a run that is killed."""

import os
import signal
import subprocess
import sys
import time

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
import sys
sys.path.insert(0, sys.argv[1])
import toy_tunable
from bottlebank.features.backbones.registry import BACKBONES
BACKBONES["tunable"] = toy_tunable.LINE
from bottlebank.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_run_that_is_killed_in_any_epoch_goes_on_to_the_same_bytes(case, tmp_path):
    def start(output):
        command = [sys.executable, "-c", SCRIPT, str(TOYS), "finetune", case.photos]
        command += ["--head", case.head, "--output", output, "--cache", case.cache]
        command += ["--epochs", 400, "--unfreeze", 2, "--learning-rate", 0.001]
        return subprocess.Popen(
            [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    whole = start(tmp_path / "whole")
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    n_kills = 0
    for delay_s in (0.0, 0.05, 0.11, 0.0):
        run = start(tmp_path / "killed")
        for line in run.stderr:
            if line.startswith("epoch "):
                break
        time.sleep(delay_s)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        n_kills += run.returncode == -signal.SIGKILL
    assert n_kills >= 3
    last = start(tmp_path / "killed")
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    for name in ("extractor.weights.h5", "curves.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    heads = [bb.load_head(tmp_path / folder / "head.h5") for folder in ("whole", "killed")]
    assert heads[0].version == heads[1].version
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "curves.png",
        "extractor.weights.h5",
        "head.h5",
    ]
