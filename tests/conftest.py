"""Fixtures for every room: isolation from the user's machine, small datasets, leak checks."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from PIL import Image

import bottlebank
from bottlebank.extraction import worker
from bottlebank.features.images import decoder_pool
from bottlebank.untrusted import isolation
from bottlebank.untrusted.child import start_child
from tests.forked_children import ForkedChildren

if TYPE_CHECKING:
    from bottlebank.training import Trained

ROOT = Path(__file__).parents[1]
TEST_DATA = Path(os.environ.get("BOTTLEBANK_TEST_DATA") or ROOT.parent / "shared")

_STARTS_CHILDREN = (worker, decoder_pool, isolation)

# Set by whoever runs the tests, it would hide what is written at the end of a program.
os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting, cache or weights of the person who runs the tests takes part."""
    for name in list(os.environ):
        if name.startswith("BOTTLEBANK_"):
            monkeypatch.delenv(name)
    away = tmp_path_factory.mktemp("away")
    monkeypatch.setenv("BOTTLEBANK_CACHE", str(away / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(away / "keras"))


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """A command that sets up the log writes to the stderr of its own test only."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Fail a test that leaves an HDF5 file open or a thread running."""
    threads = set(threading.enumerate())
    yield
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE) == 0, "HDF5 left open"
    left = [
        thread.name
        for thread in threading.enumerate()
        if thread not in threads and not thread.daemon and thread.is_alive()
    ]
    assert not left, f"threads left running: {left}"


@pytest.fixture(scope="session", autouse=True)
def forked_children():
    """Children are forked from a process that has loaded their libraries already."""
    if sys.platform != "linux":
        yield None
        return
    children = ForkedChildren()
    with pytest.MonkeyPatch.context() as patch:
        for module in _STARTS_CHILDREN:
            patch.setattr(module, "start_child", children.start)
        yield children
    children.close()


@pytest.fixture
def real_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children start as they do for a user."""
    for module in _STARTS_CHILDREN:
        monkeypatch.setattr(module, "start_child", start_child)


@pytest.fixture(scope="session")
def converted_random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `networks` folder of a cache that holds the converted `random` extractor."""
    from bottlebank.features import ExtractorSpec, open_extractor, recipe_for

    networks = tmp_path_factory.mktemp("networks")
    recipe, weights = recipe_for(ExtractorSpec("random"))
    open_extractor(recipe, lambda: weights, precisions=["float32"], networks=networks)
    return networks


@pytest.fixture
def cache(tmp_path: Path, converted_random: Path) -> Path:
    """A cache folder without rows, in which `random` starts without TensorFlow."""
    folder = tmp_path / "cache"
    shutil.copytree(converted_random, folder / "networks")
    return folder


def picture(kind: str, seed: int, side_px: int = 48) -> Image.Image:
    """A picture that a network of random weights tells apart: stripes, checks or a disc."""
    random = np.random.default_rng([seed, *kind.encode()])
    y, x = np.mgrid[:side_px, :side_px]
    phase = random.integers(0, 8)
    shape = {
        "stripes": ((x + phase) // 4) % 2,
        "checks": ((x + phase) // 6 + (y + phase) // 6) % 2,
        "disc": (x - 24) ** 2 + (y - 24) ** 2 < (12 + phase) ** 2,
    }[kind]
    colour = random.integers(80, 255, 3)
    noise = random.integers(0, 40, (side_px, side_px, 3))
    return Image.fromarray((shape[..., None] * colour * 0.8 + noise).astype(np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder per class: 3 classes of 20 PNG pictures."""
    return write_photos(tmp_path / "photos")


def write_photos(root: Path) -> Path:
    """What `photos` is."""
    for kind in ("stripes", "checks", "disc"):
        (root / kind).mkdir(parents=True)
        for number in range(20):
            picture(kind, number).save(root / kind / f"{number:02d}.png")
    time.sleep(0.03)  # a file that changed within a tick of the clock is not known by its times
    return root


@pytest.fixture(scope="session")
def clothing() -> Path:
    """3,409 real photographs, where they are."""
    folder = TEST_DATA / "images" / "clothing"
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}; set BOTTLEBANK_TEST_DATA")
    return folder


@pytest.fixture
def imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real MobileNetV2 weights, where they are."""
    home = TEST_DATA / "keras"
    if not list(home.glob("models/mobilenet_v2_weights_*_1.0_224_no_top.h5")):
        pytest.skip(f"no MobileNetV2 weights under {home}; set BOTTLEBANK_TEST_DATA")
    monkeypatch.setenv("KERAS_HOME", str(home))


@pytest.fixture
def table(photos: Path, cache: Path) -> bottlebank.FeatureTable:
    """Transfer values of the pictures."""
    return bottlebank.extract(
        bottlebank.load_dataset(photos),
        "random",
        cache=cache,
        engine="openvino",
        precision="float32",
    )


@pytest.fixture
def trained(table: bottlebank.FeatureTable) -> Trained:
    """A head that was trained on them."""
    return bottlebank.train_head(table)
