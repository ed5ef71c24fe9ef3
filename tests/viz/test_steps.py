import io
import re
import sys

import numpy as np
import pytest

from bottlebank.progress import Progress
from bottlebank.viz import reduce
from bottlebank.viz.steps import umap_epochs

FEATURES = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)


@pytest.mark.parametrize(("method", "far"), [("tsne", "7[0-9]0/750"), ("umap", r"epoch \d+ of")])
def test_a_map_says_how_far_it_is_and_is_the_same_map(method, far, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr("bottlebank.progress._REFRESH_S", 0.001)
    silent = reduce(FEATURES, method, progress=False)
    assert shown.getvalue() == ""
    told = reduce(FEATURES, method, progress=True)
    assert re.search(far, shown.getvalue())
    np.testing.assert_array_equal(told.points, silent.points)


def test_stdout_shows_nothing_of_it(capsys):
    reduce(FEATURES, "tsne", progress=True)
    assert capsys.readouterr().out == ""


def test_epochs_become_the_note():
    with Progress("UMAP", show=False) as bar:
        file = umap_epochs(bar, 500)["file"]
        file.write("\r120")
        file.write("\r    ")
    assert bar._line().endswith(", epoch 120 of 500")
