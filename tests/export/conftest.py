"""What is exported in these tests."""

import itertools
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.layers import Layers
from bottlebank.export.job import Job
from bottlebank.export.registry import EXPORTERS
from bottlebank.extras import how_to_install
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.engines.network import Network
from bottlebank.training import Trained

from ..conftest import write_photos

N_CLASSES = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory, converted_random) -> tuple[Path, Trained]:
    """A folder with photographs and their cache, and a head; tests leave them as they are."""
    root = tmp_path_factory.mktemp("made")
    shutil.copytree(converted_random, root / "cache" / "networks")
    photos = write_photos(root / "photos")
    settings = {"cache": root / "cache", "engine": "openvino", "precision": "float32"}
    return root, bb.train_head(bb.extract(photos, "random", **settings))


@pytest.fixture
def cache(made) -> Path:
    """Of the photographs."""
    return made[0] / "cache"


@pytest.fixture
def photos(made) -> Path:
    """3 classes of 20 pictures."""
    return made[0] / "photos"


@pytest.fixture
def trained(made) -> Trained:
    """A head that was trained on them."""
    return made[1]


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
    layers = layers_for(recipe.width).divided_by(1.7)
    folder.mkdir()
    return Job(folder, recipe, weights, layers, ("a", "b", "c"), {})


def exporter_of(name: str):
    """The module of an exporter whose libraries are installed."""
    entry = EXPORTERS[name]
    for library in entry.libraries:
        if find_spec(library) is None:
            remedy = how_to_install(entry.extra)
            pytest.skip(f"{library} is not installed: {remedy}")
    return import_module(entry.module, "bottlebank.export")


def written(name: str, job: Job, tmp_path: Path) -> tuple[Path, bool]:
    """The folder with what an exporter writes, and whether it takes several images in a call."""
    module = exporter_of(name)
    job = job._replace(folder=job.folder / name)
    job.folder.mkdir()
    with Network(job.recipe, lambda: job.weights, tmp_path / "networks", False) as network:
        job.with_network(EXPORTERS[name].form, network).save()
        folder = tmp_path / name
        folder.mkdir()
        return folder, module.write(Job.load(job.folder), folder)


def features_of(job: Job, pixels: np.ndarray) -> np.ndarray:
    """What the network makes of pixels, in float32."""
    extractor = open_extractor(
        job.recipe,
        lambda: job.weights,
        precisions=["float32"],
        networks=job.folder.parent / "networks",
    )
    return extractor.transfer_values(pixels)


def expected_of(job: Job, pixels: np.ndarray) -> np.ndarray:
    """The probabilities of a head that is not exported."""
    return job.layers.probabilities(features_of(job, pixels))
