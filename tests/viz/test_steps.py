import numpy as np

from bottlebank.progress import Progress
from bottlebank.viz import reduce
from bottlebank.viz.steps import umap_epochs

FEATURES = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)


def test_stdout_shows_nothing_of_it(capsys):
    reduce(FEATURES, "tsne", progress=True)
    assert capsys.readouterr().out == ""


def test_epochs_become_the_note():
    with Progress("UMAP", show=False) as bar:
        file = umap_epochs(bar, 500)["file"]
        file.write("\r120")
        file.write("\r    ")
    assert bar._line().endswith(", epoch 120 of 500")
