"""Writes what bottlebank knows of the layers of `keras.applications`, when it is run."""

import json
import zipfile
from pathlib import Path

from bottlebank.features.backbones.keras import application_layers
from bottlebank.features.backbones.registry import BACKBONES, KERAS


def built_layers(row):
    """The layers of a network as the installed Keras builds it: name, class and shape of each."""
    import keras

    keras.backend.clear_session()  # begins the numbers in names again
    build = getattr(keras.applications, row.constructor.partition(":")[2])
    shape = (row.input_size_px, row.input_size_px, 3)
    model = build(weights=None, include_top=False, input_shape=shape, pooling="avg")
    return [[each.name, type(each).__name__, list(each.output.shape[1:])] for each in model.layers]


if __name__ == "__main__":
    rows = [row for row in BACKBONES.values() if row.module == KERAS]
    path = Path(application_layers.__file__).with_name(application_layers.FILE)
    with zipfile.ZipFile(path, "w") as file:
        for row in rows:
            text = json.dumps(built_layers(row), separators=(",", ":"))
            file.writestr(zipfile.ZipInfo(row.name), text, zipfile.ZIP_DEFLATED, 9)
