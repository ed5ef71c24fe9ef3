"""A map method in one file: images on a circle, by the angle of their first two components."""

import numpy as np

from bottlebank.viz.map_methods import MapMethod

LINE = MapMethod("toy_map_method", "on a circle", n_components=2)


def place(components, settings, progress):
    plane = components.first(settings.dimensions)
    lengths = np.linalg.norm(plane, axis=1, keepdims=True)
    return plane / np.maximum(lengths, 1e-6), f"on a circle, seed {settings.seed}"
