"""Pixels to transfer values: one start, full batches, order kept."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from bottlebank.cache import Key, Rejection
from bottlebank.errors import EngineError
from bottlebank.extraction import network
from bottlebank.extraction.image_files import Pixels
from bottlebank.extraction.network import CannotRunError, Network, passes_of
from bottlebank.extraction.stage_timing import Waiting


class Mean:
    """Stands in for an extractor: the mean of each image, in batches of 32."""

    engine, batch_size, n_calls = "mean", 32, 2
    recipe = SimpleNamespace(width=3)

    def __init__(self):
        self.sizes = []
        self._lock = threading.Lock()

    def transfer_values(self, images):
        with self._lock:
            self.sizes.append(len(images))
        return images.mean(axis=(1, 2), dtype=np.float32)


def pixels(first, n):
    numbers = np.arange(first, first + n, dtype=np.uint8)
    keys = [Key(bytes([number] * 32)) for number in numbers.tolist()]
    images = np.broadcast_to(numbers[:, np.newaxis, np.newaxis, np.newaxis], (n, 4, 4, 3))
    return Pixels(keys, [b"p"] * n, images, [None] * n, [])


@pytest.fixture
def start(monkeypatch):
    """A network whose extractor is what `opened` gives."""

    def make(opened, engine="auto"):
        monkeypatch.setattr(network, "open_extractor", opened)
        recipe = SimpleNamespace(extractor="mean")
        return Network(recipe, None, None, engine, "float32", False, Waiting())

    return make


def test_groups_become_batches_and_keep_their_order(start):
    mean, starts = Mean(), []
    running = start(lambda *arguments, **settings: starts.append(settings) or mean)
    groups = (pixels(first, 8) for first in range(0, 80, 8))
    found = list(running.features(groups))
    assert sorted(mean.sizes) == [16, 32, 32]
    assert [key.content[0] for images in found for key in images.keys] == list(range(80))
    assert np.concatenate([images.features for images in found])[:, 0].tolist() == list(range(80))
    assert (len(starts), starts[0]["precisions"]) == (1, ["float32"])
    assert running.engine == "mean"


def test_what_is_rejected_needs_no_pixels(start):
    rejection = Rejection(b"r" * 32, b"p", "not an image")
    running = start(lambda *arguments, **settings: Mean())
    [found] = running.features(iter([pixels(0, 0)._replace(rejections=[rejection])]))
    assert (found.keys, found.features.shape, found.rejections) == ([], (0, 3), [rejection])


@pytest.mark.parametrize("n", [1, 4, 5, 64])
@pytest.mark.parametrize("sizes", [[8, 8], [3, 1, 1, 9, 2, 32], [31, 1, 31, 1], [7], [2, 0, 5], []])
def test_passes_are_whole_and_copied_only_across_parts(n, sizes):
    numbers = iter(range(1000))
    parts = [np.array([[next(numbers)] for _ in range(size)]).reshape(size, 1) for size in sizes]
    passes = list(passes_of(n, parts))
    assert [value for images in passes for value in images[:, 0]] == list(range(sum(sizes)))
    assert all(len(images) % n == 0 for images in passes[:-1])
    copied = [images for images in passes if not any(np.shares_memory(images, x) for x in parts)]
    assert sum(map(len, copied)) <= n * max(0, len(parts) - 1)


def test_without_images_nothing_starts(start):
    running = start(None, engine="tensorflow")  # would fail if it were started
    assert list(running.features(iter([]))) == []
    assert (running.startup_s, running.engine) == (0.0, "tensorflow")


def test_an_engine_that_does_not_run_is_reported_as_that(start):
    def fail(*arguments, **settings):
        raise EngineError("no engine can run it")

    with pytest.raises(CannotRunError, match="no engine can run it"):
        start(fail).start()
