"""SavedModels, written once by TensorFlow in a process of its own."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bottlebank.features.backbones import described
from bottlebank.features.backbones.saved_model import process
from bottlebank.untrusted.isolation import FailedError, Message

CASES = {
    "cnn": ("cnn", {}),
    "cnn last": ("cnn", {"layer": "last"}),
    "cnn stem bn": ("cnn", {"layer": ["stem", "bn"]}),
    "classifier": ("classifier", {"size": 40, "scaling": "tf"}),
    "vit cls": ("vit", {"scaling": "tf"}),
    "vit mean": ("vit", {"scaling": "tf", "pooling": "mean"}),
    "vit blocks": ("vit", {"scaling": "tf", "layer": ["block0", "block1"]}),
    "vit patches": ("vit", {"scaling": "tf", "layer": "patches"}),
    "nested": ("nested", {}),
    "half": ("half", {}),
    "bytes": ("bytes", {}),
    "first": ("first", {"scaling": "tf"}),
    "tokens": ("tokens", {"scaling": "tf"}),
    "normalised": ("normalised", {"scaling": "tf"}),
    "single": ("single", {"scaling": "tf"}),
    "several high": ("several", {"scaling": "tf", "layer": "high"}),
    "several low": ("several", {"scaling": "tf", "layer": "low"}),
    "version 1": ("version 1", {"size": 64, "layer": "feature_vector"}),
    "traced": ("traced", {"scaling": "tf"}),
}
"""A folder, and what is chosen of it."""


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """A folder of SavedModels; ``results.npz`` in it has what they make of pixels,
    and ``operators.npz`` what TensorFlow makes with each operator."""
    into = tmp_path_factory.mktemp("saved models é")
    script = Path(__file__).parent / "write_networks.py"
    command = [sys.executable, str(script), str(into), json.dumps(CASES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return into


@pytest.fixture
def in_this_process(monkeypatch):
    """Folders are read in the tests' process, which saves the start of another for each."""

    @contextlib.contextmanager
    def reader(module, function, *arguments, more_bytes):
        sent = []
        try:
            process.describe(lambda about, next_s=0.0: sent.append(json.dumps(about)), *arguments)
        except (ValueError, OSError) as error:
            raise FailedError(str(error)) from error
        yield (Message(json.loads(each), []) for each in sent)

    monkeypatch.setattr(described, "isolated_reader", reader)
