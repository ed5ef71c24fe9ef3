"""Files of Keras, written by hand: no Keras is needed for them."""

import io
import json
import zipfile

import h5py
import numpy as np

SIZE_PX, WIDTH, N_CLASSES = 16, 8, 3


def tensor(name, shape=None, call=0):
    config = {"shape": shape, "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def layer(kind, name, before=None, *, module="keras.layers", **config):
    """As Keras 3 describes a layer that is called once."""
    inbound = [] if before is None else [{"args": [tensor(before)], "kwargs": {}}]
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": inbound,
    }


def functional(layers, output, entry="picture", name="net"):
    return {
        "module": "keras",
        "class_name": "Functional",
        "config": {
            "name": name,
            "layers": layers,
            "input_layers": [[entry, 0, 0]],
            "output_layers": [[output, 0, 0]],
        },
        "registered_name": None,
    }


def cnn(size_px=SIZE_PX):
    """A convolution, the average over places and a classifier."""
    shape = [None, size_px, size_px, 3]
    return functional(
        [
            layer("InputLayer", "picture", batch_shape=shape, dtype="float32"),
            layer("Conv2D", "conv", "picture", filters=WIDTH, kernel_size=[3, 3], strides=[2, 2]),
            layer("ReLU", "relu", "conv"),
            layer("GlobalAveragePooling2D", "pool", "relu"),
            layer("Dense", "classes", "pool", units=N_CLASSES, activation="softmax"),
        ],
        "classes",
    )


def arrays(seed=0):
    """The weights of `cnn`, by where Keras 3 keeps them."""
    rng = np.random.default_rng(seed)
    shapes = {
        "layers/conv2d/vars/0": (3, 3, 3, WIDTH),
        "layers/conv2d/vars/1": (WIDTH,),
        "layers/dense/vars/0": (WIDTH, N_CLASSES),
        "layers/dense/vars/1": (N_CLASSES,),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def hdf5(held, change=None):
    """The bytes of an HDF5 file with these arrays; `change` is called with the open file."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        for name, array in held.items():
            file[name] = array
        if change is not None:
            change(file)
    return data.getvalue()


def archive(config=None, weights=None, *, more=(), compression=zipfile.ZIP_STORED):
    """The bytes of a ``.keras`` file; `more` are pairs of a name, or ZipInfo, and bytes."""
    data = io.BytesIO()
    config = cnn() if config is None else config
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(data, "w", compression) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.0"}))
        file.writestr("config.json", text)
        file.writestr("model.weights.h5", hdf5(arrays()) if weights is None else weights)
        for name, held in more:
            file.writestr(name, held)
    return data.getvalue()


def of_keras_2(name, config, weights, change=None):
    """The bytes of an ``.h5`` file as Keras 2 writes it.

    Parameters
    ----------
    name
        Of the class of the model.
    config
        Its settings.
    weights
        For each layer, names and arrays.
    change
        Is called with the open file.
    """
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.attrs["keras_version"] = b"2.11.0"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": name, "config": config}).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([each.encode() for each in weights])
        for each, held in weights.items():
            inner = group.create_group(each)
            names = np.array([key.encode() for key in held]) if held else np.empty(0)
            inner.attrs["weight_names"] = names
            for key, array in held.items():
                inner[key] = array
        if change is not None:
            change(file)
    return data.getvalue()


def cnn_of_keras_2():
    """The network of `cnn`, as Keras 2 describes it: the name of its class, settings, weights."""

    def described(kind, name, before=None, **config):
        inbound = [] if before is None else [[[before, 0, 0, {}]]]
        config = {"name": name, "trainable": True, "dtype": "float32", **config}
        return {"class_name": kind, "config": config, "name": name, "inbound_nodes": inbound}

    shape = [None, SIZE_PX, SIZE_PX, 3]
    config = {
        "name": "net",
        "layers": [
            described("InputLayer", "picture", batch_input_shape=shape, sparse=False, ragged=False),
            described(
                "Conv2D",
                "conv",
                "picture",
                filters=WIDTH,
                kernel_size=[3, 3],
                strides=[2, 2],
                groups=1,
                kernel_initializer={"class_name": "GlorotUniform", "config": {"seed": None}},
            ),
            described("ReLU", "relu", "conv", max_value=None, negative_slope=0.0, threshold=0.0),
            described("GlobalAveragePooling2D", "pool", "relu", keepdims=False),
            described("Dense", "classes", "pool", units=N_CLASSES, activation="softmax"),
        ],
        "input_layers": [["picture", 0, 0]],
        "output_layers": [["classes", 0, 0]],
    }
    kernel, bias, matrix, last = arrays().values()
    weights = {
        "picture": {},
        "conv": {"conv/kernel:0": kernel, "conv/bias:0": bias},
        "relu": {},
        "pool": {},
        "classes": {"classes/kernel:0": matrix, "classes/bias:0": last},
    }
    return "Functional", config, weights
