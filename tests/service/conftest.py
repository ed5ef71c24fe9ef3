from __future__ import annotations

import io
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from bottlebank.cache import Key
from bottlebank.classifier.head import HeadAnswer
from bottlebank.features.images.decoder import Limits
from bottlebank.features.images.decoder_pool import decode_here
from bottlebank.features.images.fit import Preprocessing
from bottlebank.prediction import NoTrainingImagesError
from bottlebank.prediction.neighbours import TrainingImages
from bottlebank.service import Server, Service, Settings, create_app
from bottlebank.service.heads import Heads, Served

COLOURS = {"red": (250, 20, 10), "green": (10, 250, 20), "blue": (20, 10, 250)}
SIZE_PX = (8, 8)


class ColourExtractor:
    """Transfer values are an image's mean channels."""

    input_size_px = SIZE_PX
    batch_size = 4
    batch_sizes = (4, 1)
    n_calls = 2
    recipe = SimpleNamespace(
        width=3, extractor="mobilenet_v2", fingerprint="ab" * 32, fit="squash", grey16="scale"
    )

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.started = threading.Event()
        self.sizes = []

    def transfer_values(self, images):
        assert images.dtype == np.uint8 and images.shape[1:] == (*SIZE_PX, 3)
        if images.any():  # not to warm up
            self.started.set()
            self.sizes.append(len(images))
            time.sleep(self.seconds)
        return images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32)


class DecodersHere:
    """What `DecoderPool` do, in this process: starting others takes longer than most tests."""

    def __init__(self, max_pixels):
        self.limits = Limits(pixels=max_pixels)

    def start(self):
        pass

    def decode(self, files, timeout_s=None):
        return decode_here(files, Preprocessing(SIZE_PX), self.limits)

    def close(self):
        pass


class ColourPredictor:
    """Probabilities are an image's mean channels: a red image is the first class."""

    extractor_name = "mobilenet_v2"
    engine = "openvino"
    precision = "bfloat16"

    def __init__(self, classes=("red", "green", "blue"), seconds=0.0, version="1f2e3d"):
        self.classes = tuple(classes)
        self.version = version
        self.extractor = ColourExtractor(seconds)
        self.head = SimpleNamespace(version=version, layers=SimpleNamespace(n_features=3))

    def decoders(self, max_decode_s, max_pixels):
        return DecodersHere(max_pixels)

    def predict_features(self, features):
        sums = features.sum(axis=1, keepdims=True)
        shares = features / np.where(sums == 0, 1, sums)
        return HeadAnswer(shares.astype(np.float64), features.max(axis=1) < 5)

    def ranked(self, probabilities, top):
        order = np.argsort(-probabilities, kind="stable")[:top]
        return [(self.classes[column], float(probabilities[column])) for column in order]


class WholeAnswers(FlaskClient):
    """Takes an answer to its end, as every client does; only then is it counted and logged."""

    def open(self, *args, **kwargs):
        return super().open(*args, **{"buffered": True, **kwargs})


def no_training_images(head):
    raise NoTrainingImagesError("the cache here has no list of this head's training images")


def colour_training_images(head):
    features = np.array([(250, 20, 10), (200, 30, 10), (10, 250, 20), (20, 10, 250)], np.float32)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    files = ("a.png", "b.png", "c.png", "d.png")
    keys = [Key(bytes([number]) * 32) for number in range(4)]
    return TrainingImages(units, ["red", "red", "green", "blue"], files, keys)


def image_bytes(colour, file_format="PNG", size=(12, 9)):
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS.get(colour, colour)).save(file, file_format)
    return file.getvalue()


@pytest.fixture
def predictor():
    return ColourPredictor()


@pytest.fixture
def make_app():
    """An app of a fake predictor; what it has started ends with the test."""
    opened = []

    def make(
        predictor=None,
        settings=Settings(),  # noqa: B008 (immutable)
        *,
        heads=None,
        find_training_images=colour_training_images,
    ):
        heads = heads or Heads(Served("head.h5", predictor or ColourPredictor()))
        service = Service(heads, settings, find_training_images=find_training_images)
        opened.append(service)
        app = create_app(settings, service)
        app.test_client_class = WholeAnswers
        return app

    yield make
    for service in opened:
        service.close()


@pytest.fixture
def client(predictor, make_app):
    return make_app(predictor).test_client()


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
