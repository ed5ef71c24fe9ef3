"""What is exported in these tests."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.layers import Layers
from bottlebank.export.job import Job, calibrated
from bottlebank.features import ExtractorSpec, recipe_for

N_CLASSES = 3


@pytest.fixture
def head_file(trained, tmp_path) -> Path:
    """A head on the extractor `random`."""
    path = tmp_path / "head.h5"
    bb.save_head(trained, path)
    return path


def layers_for(width: int, hidden: tuple[int, ...] = (7,)) -> Layers:
    """Layers of a head with all that heads can have."""
    random = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    sizes = (width, *hidden, N_CLASSES)
    kernels = [drawn(*pair) / 8 for pair in itertools.pairwise(sizes)]
    biases = [drawn(size) for size in sizes[1:]]
    return Layers(drawn(width), 1 + np.abs(drawn(width)), kernels, biases)


def job_for(extractor: str, folder: Path, **settings: object) -> Job:
    """A job in a new folder, of a head that was never trained."""
    recipe, weights = recipe_for(ExtractorSpec.of(extractor, **settings))
    layers = calibrated(layers_for(recipe.width), 1.7)
    folder.mkdir()
    return Job(folder, recipe, weights, layers, ("a", "b", "c"), {})
