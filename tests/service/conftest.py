from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

from bottlebank.features.images import SERVICE_FORMATS
from bottlebank.features.preprocess import load
from bottlebank.service import Server, Settings, create_app

COLOURS = {"red": (250, 20, 10), "green": (10, 250, 20), "blue": (20, 10, 250)}


class ColourPredictor:
    """Probabilities are an image's mean channels: a red image is the first class."""

    version = "1f2e3d"
    extractor_name = "mobilenet_v2"
    engine = "openvino"
    precision = "bfloat16"

    def __init__(self, classes=("red", "green", "blue"), seconds=0.0):
        self.classes = tuple(classes)
        self.seconds = seconds
        self.started = threading.Event()

    def load(self, data):
        return load(data, (8, 8), formats=SERVICE_FORMATS)

    def probabilities(self, images):
        assert images.dtype == np.uint8 and images.shape[1:] == (8, 8, 3)
        self.started.set()
        time.sleep(self.seconds)
        channels = images.reshape(len(images), -1, 3).mean(axis=1)
        return channels / channels.sum(axis=1, keepdims=True)

    def ranked(self, probabilities, top):
        order = np.argsort(-probabilities, kind="stable")[:top]
        return [(self.classes[column], float(probabilities[column])) for column in order]


def image_bytes(colour, file_format="PNG", size=(12, 9)):
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS.get(colour, colour)).save(file, file_format)
    return file.getvalue()


@pytest.fixture
def predictor():
    return ColourPredictor()


@pytest.fixture
def client(predictor):
    return create_app(predictor).test_client()


@pytest.fixture
def encode():
    return image_bytes


@pytest.fixture
def make_predictor():
    return ColourPredictor


@pytest.fixture
def run_server():
    """Serve an app on a free port of 127.0.0.1; the call returns the server."""
    running = []

    def start(app, settings=Settings()):  # noqa: B008 (immutable)
        server = Server(app, "127.0.0.1", 0, settings)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
