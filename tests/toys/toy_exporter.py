"""An exporter in one file: OpenVINO's network, and the head for NumPy."""

import shutil

import numpy as np
import openvino as ov

from bottlebank.classifier.layers import Layers
from bottlebank.export.registry import OPENVINO, Exporter

LINE = Exporter("toy_exporter", "the toy", "for toys", ("toy.xml", "toy.bin", "toy.npz"), OPENVINO)


def write(job, folder):
    for suffix in ("xml", "bin"):
        shutil.copy(job.folder / f"network.{suffix}", folder / f"toy.{suffix}")
    mean, scale, (kernel,), (bias,) = job.layers
    np.savez(folder / "toy.npz", mean=mean, scale=scale, kernel=kernel, bias=bias)
    return True


def opened(folder):
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    network = ov.Core().compile_model(folder / "toy.xml", "CPU", hints)
    with np.load(folder / "toy.npz") as arrays:
        layers = Layers(arrays["mean"], arrays["scale"], [arrays["kernel"]], [arrays["bias"]])
    return lambda pixels: layers.probabilities(network(pixels)[0])
