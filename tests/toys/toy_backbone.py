"""A backbone in one file: the mean colour of each cell of a grid. It has no weights."""

import hashlib

from bottlebank.features.backbones.registry import SCALINGS, Backbone
from bottlebank.features.backbones.weights import SEED_WEIGHTS, Weights

GRID = 4
LINE = Backbone(
    name="toy",
    constructor="toy:mean_colours",
    input_size_px=32,
    width=GRID * GRID * 3,
    scaling=SCALINGS["tf"],
    weights_file=None,
    pooling="average in a 4x4 grid",
    in_words="toy, the mean colours of a grid",
    module="toy_backbone",
)


def find_weights(backbone, weights, download_timeout_s, progress):
    return Weights(SEED_WEIGHTS, None, hashlib.sha256(b"none").hexdigest())


def build(backbone, weights, precision):
    import tensorflow as tf

    def network(values):
        cell_px = backbone.input_size_px // GRID
        means = tf.nn.avg_pool2d(values, ksize=cell_px, strides=cell_px, padding="VALID")
        return tf.nn.relu(1 + tf.reshape(means, (-1, backbone.width)))

    return network
