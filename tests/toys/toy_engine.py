"""An engine in one file: TensorFlow's graph in OpenVINO, one image at a time."""

import tempfile
from pathlib import Path

import numpy as np
import openvino as ov

from bottlebank.features.engines.registry import EngineEntry

LINE = EngineEntry("toy_engine", "the toy")


def start(network, precision, *, many):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(network.graph())
        return ToyEngine(ov.Core().compile_model(ov.Core().read_model(path), "CPU"), precision)


class ToyEngine:
    name = "toy"
    batch_size, batch_sizes, n_calls = 1, (1,), 1

    def __init__(self, compiled, precision):
        self.precision = precision
        self._compiled = compiled

    def __call__(self, images):
        return np.concatenate([self._compiled([image[None]])[0] for image in images])
