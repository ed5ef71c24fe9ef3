"""Files of Keras that were made to do harm: each is refused with its reason, in bounded time."""

import base64
import json
import marshal
import os
import resource
import time
import zipfile

import h5py
import numpy as np
import pytest

from bottlebank.errors import EngineError
from bottlebank.features.backbones.keras import file as keras_file
from bottlebank.features.backbones.keras.graph import Shapes
from bottlebank.features.backbones.keras.process import describe, picture_of
from bottlebank.features.backbones.keras.structure import read_model
from bottlebank.features.backbones.spec import ExtractorSpec

from .written import (
    SIZE_PX,
    archive,
    arrays,
    cnn,
    cnn_of_keras_2,
    functional,
    hdf5,
    layer,
    of_keras_2,
    tensor,
)

LIMIT_S = 2.0

CODE = compile("lambda x: open('canary', 'w').write('x')", "evil", "eval")
BYTES = base64.b64encode(marshal.dumps(CODE)).decode()


def with_layer(kind, **config):
    """The network, and one more layer."""

    def change(folder):
        model = cnn()
        held = {
            key: value.format(canary=folder / "canary") if isinstance(value, str) else value
            for key, value in config.items()
        }
        module = held.pop("module", "keras.layers")
        model["config"]["layers"].append(layer(kind, "more", "pool", module=module, **held))
        return archive(model)

    return change


def with_setting(name, value, at=1):
    """One more setting of the convolution, or of another layer."""

    def change(folder):
        model = cnn()
        model["config"]["layers"][at]["config"][name] = value
        return archive(model)

    return change


def with_field(name, value, at=1):
    """What is written beside the settings of a layer."""

    def change(folder):
        model = cnn()
        model["config"]["layers"][at][name] = value
        return archive(model)

    return change


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def of_class(kind, module="keras"):
    def change(folder):
        return archive({**cnn(), "class_name": kind, "module": module})

    return change


def of_config(change):
    def made(folder):
        model = cnn()
        change(model["config"])
        return archive(model)

    return made


def cycle(config):
    config["layers"][2]["inbound_nodes"][0]["args"] = [tensor("pool")]


def of_nothing(config):
    config["layers"][2]["inbound_nodes"][0]["args"] = [tensor("nowhere")]


def twice(config):
    config["layers"].append(config["layers"][1])


def two_pictures(config):
    config["layers"].append(
        layer("InputLayer", "other", batch_shape=[None, 3], dtype="float32"),
    )
    config["input_layers"].append(["other", 0, 0])


def nested(depth):
    """Models in models."""

    def change(folder):
        model = cnn()
        for _ in range(depth):
            inner = {**model, "name": "inner", "inbound_nodes": [{"args": [tensor("picture")]}]}
            inner["inbound_nodes"][0]["kwargs"] = {}
            entry = layer("InputLayer", "picture", batch_shape=[None, SIZE_PX, SIZE_PX, 3])
            model = functional([entry, inner], "inner")
        return archive(model)

    return change


def doubling(folder):
    """Models that call the next twice each: 2^20 calls."""
    shape = [None, SIZE_PX, SIZE_PX, 3]
    entry = layer("InputLayer", "picture", batch_shape=shape)
    model = functional([entry, layer("ReLU", "last", "picture")], "last")
    for _ in range(7):
        calls = [
            {"args": [tensor("picture" if not n else "inner", call=max(0, n - 1))], "kwargs": {}}
            for n in range(8)
        ]
        inner = {**model, "name": "inner", "inbound_nodes": calls}
        model = functional([entry, inner], "inner")
    return archive(model)


def big(name, **config):
    """A layer behind the convolution that would make much of it."""

    def change(folder):
        model = cnn()
        model["config"]["layers"].append(layer(name, "more", "relu", **config))
        return archive(model)

    return change


def text(value):
    return lambda folder: archive(value)


def member(name, data=b"x"):
    return lambda folder: archive(more=[(name, data)])


def second_description(folder):
    data = archive(more=[("config.jsan", json.dumps(cnn()).encode())])
    return data.replace(b"config.jsan", b"config.json")


def linked_member(folder):
    info = zipfile.ZipInfo("assets")
    info.external_attr = 0o120777 << 16
    return archive(more=[(info, str(folder / "canary").encode())])


def bomb(folder):
    return archive(weights=bytes(20_000_000), compression=zipfile.ZIP_DEFLATED)


def bomb_of_text(folder):
    return archive('{"a": "' + " " * 10_000_000 + '"}', compression=zipfile.ZIP_DEFLATED)


def squeezed(folder):
    return archive(compression=zipfile.ZIP_LZMA)


def secret(folder):
    data = bytearray(archive())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def without(name):
    def change(folder):
        data = archive()
        return data.replace(name.encode(), b"x" * len(name))

    return change


def of_weights(change):
    """With something in the HDF5 file of the weights."""

    def made(folder):
        held = {name: array for name, array in arrays().items() if "conv2d" not in name}
        return archive(weights=hdf5(held, lambda file: change(file, folder)))

    return made


def external_link(file, folder):
    file["layers/conv2d"] = h5py.ExternalLink(str(folder / "canary"), "/x")


def soft_link(file, folder):
    file["layers/conv2d"] = h5py.SoftLink("/layers/dense")


def hard_link(file, folder):
    file["layers/conv2d"] = file["layers/dense"]


def circle(file, folder):
    file["layers/conv2d"] = file["layers"]


def external_storage(file, folder):
    place = [(str(folder / "canary"), 0, 864)]
    file.create_dataset("layers/conv2d/vars/0", (3, 3, 3, 8), "<f4", external=place)


def virtual(file, folder):
    layout = h5py.VirtualLayout((3, 3, 3, 8), "<f4")
    layout[...] = h5py.VirtualSource(str(folder / "canary"), "x", (3, 3, 3, 8))
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def filtered(file, folder):
    file.create_dataset("layers/conv2d/vars/0", data=np.zeros((3, 3, 3, 8)), compression="gzip")


def holes(file, folder):
    file.create_dataset("layers/conv2d/vars/0", (1 << 20, 1 << 20), "<f4", chunks=(1024, 1024))


def unwritten(file, folder):
    file.create_dataset("layers/conv2d/vars/0", (1 << 15, 1 << 15), "<f4")


def objects(file, folder):
    file.create_dataset("layers/conv2d/vars/0", (2,), h5py.ref_dtype)


def texts(file, folder):
    file["layers/conv2d/vars/0"] = ["import os", "os.system('true')"]


def deep_groups(file, folder):
    group = file["layers"]
    for _ in range(100):
        group = group.create_group("g")


def legacy(change):
    """With something else in the settings of a file of Keras 2."""

    def made(folder):
        name, config, weights = cnn_of_keras_2()
        change(config)
        return of_keras_2(name, config, weights)

    return made


def lambda_of_keras_2(config):
    settings = {"name": "code", "function": [BYTES, None, None], "function_type": "lambda"}
    config["layers"][2] |= {"class_name": "Lambda", "config": settings}


def op_of_keras_2(config):
    config["layers"][2] |= {
        "class_name": "TFOpLambda",
        "config": {"name": "op", "function": "io.read_file"},
    }


def custom_of_keras_2(config):
    config["layers"][2] |= {"class_name": "os.system", "config": {"name": "op"}}


def in_training(config):
    config["layers"][2]["inbound_nodes"][0][0][3]["training"] = True


def weights_alone(folder):
    def change(file):
        del file.attrs["model_config"]

    return of_keras_2(*cnn_of_keras_2(), change)


def number_for_text(folder):
    def change(file):
        file.attrs["model_config"] = 7

    return of_keras_2(*cnn_of_keras_2(), change)


def linked_weights(folder):
    def change(file):
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(folder / "canary"), "/")

    return of_keras_2(*cnn_of_keras_2(), change)


def missing_weights(folder):
    def change(file):
        del file["model_weights"]

    return of_keras_2(*cnn_of_keras_2(), change)


def of_theano(folder):
    def change(file):
        file.attrs["backend"] = b"theano"

    return of_keras_2(*cnn_of_keras_2(), change)


def long_number(folder):
    text = json.dumps(cnn())
    assert text.count('"filters": 8') == 1
    return archive(text.replace('"filters": 8', f'"filters": {"7" * 5000}'))


HOSTILE = {
    "lambda": (with_layer("Lambda", function={"class_name": "__lambda__"}), "holds code .Lambda."),
    "lambda of Keras 2": (legacy(lambda_of_keras_2), "holds code .Lambda."),
    "function of Keras 2": (legacy(op_of_keras_2), "function 'io.read_file' of TensorFlow, which"),
    "class of Keras 2": (legacy(custom_of_keras_2), "class 'os.system', which is not one"),
    "lambda as activation": (
        with_setting("activation", {"class_name": "__lambda__", "config": {"value": BYTES}}),
        "'activation' holds code or an object: '__lambda__'",
    ),
    "function of another module": (
        with_setting("activation", function("os", "system")),
        "module 'os', which is not Keras's",
    ),
    "function of Keras that is not an activation": (
        with_setting("activation", function("keras.utils", "get_file")),
        "'get_file', which is not an activation",
    ),
    "builtin": (with_setting("activation", function("builtins", "eval")), "'eval', which is not"),
    "initializer": (
        with_setting("kernel_initializer", function("builtins", "exec")),
        "'kernel_initializer' is 'function', which is not Keras's own",
    ),
    "initializer with an object": (
        with_setting(
            "kernel_initializer",
            {"class_name": "Constant", "config": {"value": {"class_name": "__lambda__"}}},
        ),
        "holds an object: '__lambda__'",
    ),
    "regularizer": (
        with_setting("bias_regularizer", {"module": "pickle", "class_name": "L2", "config": {}}),
        "module 'pickle', which is not Keras's",
    ),
    "policy": (
        with_setting("dtype", {"class_name": "QuantizedDTypePolicy", "config": {}}),
        "'QuantizedDTypePolicy', which is not supported",
    ),
    "layer of another module": (
        with_layer("Dense", module="evil.layers", units=3),
        "module 'evil.layers', which is not Keras's",
    ),
    "class of another module": (with_layer("system", module="os"), "module 'os'"),
    "get_file": (
        with_layer("get_file", module="keras.utils", origin="file://{canary}"),
        "class 'get_file', which is not one",
    ),
    "registered": (
        with_field("registered_name", "evil>Conv2D"),
        "registered as 'evil>Conv2D': not Keras's own",
    ),
    "vocabulary file": (
        with_layer("StringLookup", vocabulary="{canary}"),
        "class 'StringLookup', which is not one",
    ),
    "vocabulary file of texts": (
        with_layer("TextVectorization", vocabulary="{canary}"),
        "class 'TextVectorization'",
    ),
    "SavedModel": (
        with_layer("TFSMLayer", filepath="{canary}"),
        "TFSMLayer, which reaches outside of the file",
    ),
    "module of PyTorch": (
        with_layer("TorchModuleWrapper", module="keras.layers"),
        "reaches outside",
    ),
    "wrapper": (
        with_layer("TimeDistributed", layer={"class_name": "Lambda"}),
        "class 'TimeDistributed', which is not one",
    ),
    "own model": (of_class("Evil", "evil"), "class 'Evil', whose code the file does not hold"),
    "model of another module": (of_class("Functional", "evil"), "module 'evil'"),
    "unknown setting": (with_setting("run", "os.system"), "setting 'run' is not known"),
    "object as setting": (
        with_setting("filters", {"class_name": "Lambda", "config": {}}),
        "'filters' holds an object: 'Lambda'",
    ),
    "infinite setting": (with_setting("strides", 10**400), "out of bounds|beyond the largest"),
    "long list": (with_setting("strides", [1] * 10_000), "has more than 4,096 values"),
    "slice with an object": (
        of_config(
            lambda config: config["layers"].append(
                {
                    **layer("GetItem", "get", module="keras.src.ops.numpy"),
                    "inbound_nodes": [
                        {
                            "args": [tensor("pool"), {"class_name": "__typespec__", "config": {}}],
                            "kwargs": {},
                        }
                    ],
                }
            )
        ),
        "'get' is called with what holds an object: '__typespec__'",
    ),
    "cycle": (of_config(cycle), "needs what no layer makes, or itself"),
    "input of nothing": (of_config(of_nothing), "output of 'nowhere', which is not a layer"),
    "layer twice": (of_config(twice), "two of its layers have one name"),
    "random at inference": (legacy(in_training), "'relu' runs as in training"),
    "two inputs": (of_config(two_pictures), "has 2 inputs, not one"),
    "deep models": (nested(20), "its models are nested too deeply"),
    "doubling calls": (doubling, "called more than 20,000 times"),
    "absurd units": (with_setting("units", 1 << 40, 4), "out of bounds"),
    "units that the file lacks": (with_setting("units", 1 << 26, 4), r"take 603,\d+,\d+ numbers"),
    "absurd kernel": (
        with_setting("kernel_size", [1 << 20, 1 << 20]),
        "would make",
    ),
    "absurd enlargement": (big("UpSampling2D", size=[1 << 16, 1 << 16]), "would be of shape"),
    "absurd border": (big("ZeroPadding2D", padding=1 << 20), "would be of shape"),
    "negative length": (big("Reshape", target_shape=[-8, -49]), r"\(Reshape\) would make"),
    "absurd picture": (
        with_setting("batch_shape", [None, 1 << 20, 1 << 20, 3], 0),
        "would be of shape",
    ),
    "no picture": (with_setting("batch_shape", [None, 100], 0), r"input is \(100\) for one image"),
    "deep text": (text('{"config":' * 50_000), "nested too deeply"),
    "text twice": (text('{"class_name": "Functional", "class_name": "Model"}'), "is there twice"),
    "no text": (text("import os"), "Expecting value"),
    "list": (text("[]"), "does not describe a model"),
    "path of a member": (member("../canary"), "member '../canary', which is not known"),
    "absolute path": (member("/tmp/canary"), "member '/tmp/canary', which is not known"),
    "pickle": (member("model.pkl"), "member 'model.pkl', which is not known"),
    "asset": (member("assets/vocabulary.txt"), "which is not known"),
    "linked member": (linked_member, "which is not known"),
    "member twice": (
        second_description,
        "two of its members have one name",
    ),
    "bomb": (bomb, "would become 20,000,000 bytes"),
    "bomb of text": (bomb_of_text, "would become 10,000,009 bytes"),
    "rare compression": (squeezed, "compressed in another way"),
    "encrypted": (secret, "is encrypted"),
    "no description": (without("config.json"), "which is not known"),
    "cut short": (lambda folder: archive()[:-300], "not a zip archive, or a damaged one"),
    "weights that are none": (
        lambda folder: archive(weights=b"PK\x03\x04" * 99),
        "not HDF5|signature",
    ),
    "external link": (of_weights(external_link), "conv2d' is a link"),
    "soft link": (of_weights(soft_link), "conv2d' is a link"),
    "group twice": (of_weights(hard_link), "is there twice"),
    "circle": (of_weights(circle), "is there twice"),
    "external storage": (of_weights(external_storage), "not stored in one piece in this file"),
    "virtual dataset": (of_weights(virtual), "not stored in one piece in this file"),
    "filter": (of_weights(filtered), "not stored in one piece in this file"),
    "holes": (of_weights(holes), "not stored in one piece in this file"),
    "numbers that were never written": (of_weights(unwritten), "which the file lacks"),
    "references": (of_weights(objects), "is not an array of numbers"),
    "texts": (of_weights(texts), "is not an array of numbers"),
    "deep groups": (of_weights(deep_groups), "groups are nested too deeply"),
    "weights alone": (weights_alone, r"holds weights alone, not the network: .*net\.keras"),
    "number for text": (number_for_text, "model_config is not text"),
    "linked weights": (linked_weights, "'model_weights' is a link"),
    "an interpolation of Keras 2 alone": (
        big("Resizing", height=8, width=8, interpolation="gaussian"),
        "'gaussian', which Keras 3 does not have: export the network as ONNX",
    ),
    "a number of many digits": (long_number, "a number of 5,000 digits$"),
    "convolutions of Theano": (of_theano, "written with Theano, whose convolutions"),
    "missing weights": (missing_weights, "it holds no weights"),
    "empty": (lambda folder: b"", "neither an archive of Keras nor HDF5"),
    "pickled": (lambda folder: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "neither an archive"),
    "zeros": (lambda folder: bytes(10_000), "neither an archive of Keras nor HDF5"),
    "HDF5 in name": (lambda folder: b"\x89HDF\r\n\x1a\n" + bytes(5000), "cannot be an extractor"),
}


def opened(path):
    return keras_file.open_file(path, ExtractorSpec.of(str(path), scaling="tf"))


IN_A_PROCESS = (
    "lambda",
    "lambda of Keras 2",
    "get_file",
    "doubling calls",
    "bomb",
    "external link",
    "circle",
    "linked weights",
    "HDF5 in name",
)
"""In the process of its own in which files are read; the others in this one, which is faster."""


@pytest.fixture
def hostile(tmp_path):
    """Writes a file of that name; checks later that nothing beside it has changed."""
    canary = tmp_path / "canary"
    canary.write_bytes(bytes(4096))
    path = tmp_path / "models" / "net.keras"
    path.parent.mkdir()
    before = canary.stat()

    def written(name):
        path.write_bytes(HOSTILE[name][0](tmp_path))
        return path

    yield written
    assert canary.stat() == before
    assert [each.name for each in path.parent.iterdir()] == ["net.keras"]


@pytest.mark.parametrize(
    "name",
    [
        name if name in IN_A_PROCESS else pytest.param(name, marks=pytest.mark.slow)
        for name in HOSTILE
    ],
)
def test_it_is_refused_with_its_reason(hostile, name):
    path, reason = hostile(name), HOSTILE[name][1]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.process_time()
    with pytest.raises(EngineError, match=reason):
        opened(path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = time.process_time() - start + after.ru_utime - used.ru_utime
    assert took_s < LIMIT_S


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in IN_A_PROCESS])
def test_its_structure_is_refused_with_its_reason(hostile, name):
    path, reason = hostile(name), HOSTILE[name][1]
    start = time.process_time()
    with pytest.raises((ValueError, OSError), match=reason):
        describe(lambda about, *parts, next_s=0.0: None, str(path), 0)
    assert time.process_time() - start < LIMIT_S


def test_a_pipe_and_holes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "net.keras")
    with pytest.raises(EngineError, match="not a regular file"):
        opened(tmp_path / "net.keras")
    with (tmp_path / "holes.h5").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(EngineError, match="of which 0 are on the disk"):
        opened(tmp_path / "holes.h5")


@pytest.mark.parametrize("kind", ["keras", "h5"])
@pytest.mark.parametrize("seed", range(2))
def test_damage_at_any_place_never_ends_the_process(tmp_path, seed, kind):
    """Bits flipped anywhere: it is refused, or read as another network."""
    rng = np.random.default_rng(seed)
    whole = archive() if kind == "keras" else of_keras_2(*cnn_of_keras_2())
    path = tmp_path / f"net.{kind}"
    for _ in range(2):
        damaged = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(len(damaged), size=8)
        damaged[at] ^= (1 << rng.integers(8, size=8)).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            assert opened(path)[0].width
        except EngineError as error:
            assert "net." in str(error)


ODD = [None, True, -1, 0, 3, 1 << 40, 1.5, "x", "", [], {}, [None], [[1]], {"class_name": {}}]


def places_in(value, path=()):
    """Where anything is in a description."""
    yield path
    held = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in held:
        if isinstance(inner, dict | list):
            yield from places_in(inner, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("seed", range(2))
def test_odd_values_at_any_place_are_refused_or_read(seed):
    """Never is there another error than that it is refused."""
    rng = np.random.default_rng(seed)
    name, config, _ = cnn_of_keras_2()
    wholes = [cnn(), {"class_name": name, "config": config}]
    n_refused = 0
    for number in range(300):
        model = json.loads(json.dumps(wholes[number % 2]))
        places = [place for place in places_in(model) if place]
        *path, last = places[rng.integers(len(places))]
        held = model
        for key in path:
            held = held[key]
        held[last] = ODD[rng.integers(len(ODD))]
        try:
            found = read_model(model)
            Shapes(found, picture_of(found).shape(SIZE_PX))
        except ValueError as error:
            assert str(error)
            n_refused += 1
    assert 100 < n_refused < 290


def test_files_that_are_whole_are_read(tmp_path):
    """The same way, as a check of the tests above."""
    for name, data in (("net.keras", archive()), ("net.h5", of_keras_2(*cnn_of_keras_2()))):
        (tmp_path / name).write_bytes(data)
        backbone, _ = opened(tmp_path / name)
        assert (backbone.layers, backbone.width) == (("pool",), 8)


def test_what_is_only_of_training_is_never_read(tmp_path):
    model = {**cnn(), "compile_config": {"loss": function("os", "system")}}
    model["config"]["layers"][1]["build_config"] = {"class_name": "Lambda"}
    (tmp_path / "net.keras").write_bytes(archive(model))
    assert opened(tmp_path / "net.keras")[0].width == 8
