from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottlebank.service.batcher import Batcher
from bottlebank.service.errors import DeadlineError


class Network:
    """Returns each image's first number; can be held up, and fails at the number 255."""

    def __init__(self):
        self.sizes = []
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Semaphore(0)

    def __call__(self, images):
        self.sizes.append(len(images))
        self.entered.release()
        assert self.go.wait(10)
        if (images == 255).any():
            raise RuntimeError("this image makes the network fail")
        return images.reshape(len(images), -1)[:, :1].astype(np.float32)


def image(number, n_images=1):
    return np.full((n_images, 2, 2, 3), number, np.uint8)


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.fixture
def network():
    return Network()


def test_a_lone_call_runs_at_once_and_alone(network):
    batcher = Batcher(network, sizes=(4, 1))
    assert batcher(image(7)).tolist() == [[7]]
    assert network.sizes == [1]


def test_calls_that_come_while_the_network_is_busy_share_the_next_pass(network):
    passes = []
    batcher = Batcher(network, sizes=(4, 1), on_pass=passes.append)
    network.go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, image(1))
        assert network.entered.acquire(timeout=5)
        others = [pool.submit(batcher, image(number)) for number in range(2, 8)]
        wait_for(lambda: batcher.n_waiting == 6)
        network.go.set()
        assert [call.result(5).tolist() for call in (first, *others)] == [
            [[number]] for number in range(1, 8)
        ]
    assert network.sizes == passes == [1, 4, 1, 1]
    assert batcher.n_waiting == 0


def test_a_call_of_more_images_than_a_pass_takes_lets_others_in_between(network):
    batcher = Batcher(network, sizes=(4, 1))
    many = np.concatenate([image(number) for number in range(10)])
    assert batcher(many)[:, 0].tolist() == list(range(10))
    assert network.sizes == [4, 4, 2]


def test_an_image_at_which_the_network_fails_fails_alone(network):
    batcher = Batcher(network, sizes=(4, 1))
    network.go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, image(1))
        assert network.entered.acquire(timeout=5)
        others = [pool.submit(batcher, image(number)) for number in (2, 255, 4, 5)]
        wait_for(lambda: batcher.n_waiting == 4)
        network.go.set()
        assert first.result(5).tolist() == [[1]]
        with pytest.raises(RuntimeError, match="makes the network fail"):
            others[1].result(5)
        assert [others[row].result(5).tolist() for row in (0, 2, 3)] == [[[2]], [[4]], [[5]]]
    assert batcher(image(9)).tolist() == [[9]]  # and the network is free again


def test_who_waits_for_too_long_is_let_go_and_its_images_are_not_run(network):
    batcher = Batcher(network, sizes=(4, 1))
    network.go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher, image(1))
        assert network.entered.acquire(timeout=5)
        with pytest.raises(DeadlineError, match="waited for too long"):
            batcher(image(2), time.monotonic() + 0.05)
        network.go.set()
        assert first.result(5).tolist() == [[1]]
    assert network.sizes == [1]
    assert batcher(image(3)).tolist() == [[3]]


def test_no_more_passes_at_once_than_the_network_has_streams(network):
    batcher = Batcher(network, sizes=(2, 1), n_passes=2)
    network.go.clear()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(batcher, image(number)) for number in range(6)]
        wait_for(lambda: batcher.n_waiting == 4)
        assert len(network.sizes) == 2
        network.go.set()
        assert [call.result(5).tolist() for call in calls] == [[[number]] for number in range(6)]


@settings(max_examples=20, deadline=None)
@given(
    n_images=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    n_passes=st.integers(1, 3),
    size=st.integers(1, 8),
)
def test_everyone_gets_the_features_of_their_own_images(n_images, n_passes, size):
    running, most = [], []

    def run(images):
        running.append(None)
        most.append(len(running))
        time.sleep(0.0002)
        running.pop()
        return images[:, 0, 0, :1].astype(np.float32)

    batcher = Batcher(run, sizes=(size, 1), n_passes=n_passes)
    calls = [
        np.concatenate([image((7 * c + r) % 250) for r in range(n)]) for c, n in enumerate(n_images)
    ]
    with ThreadPoolExecutor(16) as pool:
        for images, features in zip(calls, pool.map(batcher, calls), strict=True):
            assert features[:, 0].tolist() == images[:, 0, 0, 0].tolist()
    assert max(most) <= n_passes
    assert batcher.n_waiting == 0
    assert batcher._free == n_passes
