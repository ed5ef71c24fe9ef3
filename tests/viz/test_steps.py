import contextlib
import io
import re
import sys

import numpy as np
import pytest

from bottlebank.progress import Progress
from bottlebank.viz import reduce
from bottlebank.viz.steps import tsne_iterations, umap_epochs

FEATURES = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)


@pytest.mark.parametrize(
    ("method", "far"), [("tsne", "(950|1000)/1000"), ("umap", r"epoch \d+ of")]
)
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


def printed(text=""):
    """As print writes it: a line and its end apart."""
    sys.stdout.write(text)
    sys.stdout.write("\n")


def test_what_others_print_meanwhile_goes_on_to_stdout():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), Progress("t-SNE", 1000) as bar:
        with tsne_iterations(bar) as verbose:
            assert verbose == 2
            printed("[t-SNE] Computing 31 nearest neighbors...")
            printed("from a thread of somebody else")
            printed("[t-SNE] Iteration 50: error = 1.0, gradient norm = 2.0")
            printed()
        printed("after")
    assert out.getvalue() == "from a thread of somebody else\n\nafter\n"
    assert bar._n == 50


def test_two_at_once_leave_stdout_as_it_was():
    before = sys.stdout
    with Progress("t-SNE", 1000) as first, Progress("t-SNE", 1000) as second:
        one, other = tsne_iterations(first), tsne_iterations(second)
        assert (one.__enter__(), other.__enter__()) == (2, 0)
        one.__exit__(None, None, None)
        other.__exit__(None, None, None)
        assert sys.stdout is before
        with tsne_iterations(second) as verbose:
            assert verbose == 2


def test_epochs_become_the_note():
    with Progress("UMAP", show=False) as bar:
        file = umap_epochs(bar, 500)["file"]
        file.write("\r120")
        file.write("\r    ")
    assert bar._line().endswith(", epoch 120 of 500")
