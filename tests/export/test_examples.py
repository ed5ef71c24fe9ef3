"""The examples of the documentation, each in a fresh process and without bottlebank."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.export.registry import EXPORTERS

from ..conftest import ROOT

TITLES = {entry.title: name for name, entry in EXPORTERS.items()}
PAGE = (ROOT / "docs" / "export.md").read_text()
EXAMPLES = dict(re.findall(r"^(\w+):\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
"""By title."""
ALONE = "\nimport sys; assert 'bottlebank' not in sys.modules"


def test_every_format_has_an_example():
    assert EXAMPLES.keys() == TITLES.keys()
    for example in EXAMPLES.values():
        assert "bottlebank" not in example
        assert len([line for line in example.splitlines() if line]) <= 16


def in_a_fresh_process(code, folder):
    settings = {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code + ALONE],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.strip().rsplit(" ", 1)
    return label, float(probability)


def ensure_installed(format):
    for library in EXPORTERS[format].libraries:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")


@pytest.mark.parametrize(
    "title",
    [
        pytest.param(title, marks=[] if title == "OpenVINO" else pytest.mark.slow)
        for title in TITLES
    ],
)
def test_an_example_answers_as_predict_does(title, trained, cache, tmp_path):
    ensure_installed(TITLES[title])
    bb.export_head(trained, tmp_path / "exported", TITLES[title], cache=cache)
    cells = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(cells).resize((300, 190), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "photo.jpg", format="PNG")  # decoded without halving
    label, probability = in_a_fresh_process(EXAMPLES[title], tmp_path)
    bb.save_head(trained, tmp_path / "head.h5")
    predict = bb.load_predictor(tmp_path / "head.h5", cache=cache, precision="float32")
    expected, share = predict(tmp_path / "photo.jpg")[0]
    assert label == expected
    assert probability == pytest.approx(share, abs=0.01)
