"""ONNX files that were made to do harm: each is refused with its reason, in bounded time."""

import os
import resource
import time

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from bottlebank.errors import EngineError, UsageError
from bottlebank.features.backbones import onnx_file
from bottlebank.features.backbones.onnx_process import describe
from bottlebank.features.backbones.spec import ExtractorSpec

from .onnx_networks import cnn, save, vit

LIMIT_S = 2.0


def data_at(location, offset="0", length=None):
    """The first kernel's data in another file."""

    def change(folder):
        model = cnn()
        kernel = model.graph.initializer[0]
        n_bytes = len(kernel.raw_data)
        kernel.ClearField("raw_data")
        kernel.data_location = TensorProto.EXTERNAL
        place = location.format(canary=folder / "canary") if "{" in location else location
        entries = {"location": place, "offset": offset, "length": length or str(n_bytes)}
        for key, value in entries.items():
            kernel.external_data.add(key=key, value=value)
        return model

    return change


def linked(folder):
    (folder / "models" / "weights.bin").symlink_to(folder / "canary")
    return data_at("weights.bin")(folder)


def in_linked_folder(folder):
    (folder / "models" / "sub").symlink_to(folder)
    return data_at("sub/canary")(folder)


def pipe(folder):
    os.mkfifo(folder / "models" / "pipe")
    return data_at("pipe")(folder)


def holes(folder):
    with (folder / "models" / "holes").open("wb") as file:
        file.truncate(1 << 40)
    return data_at("holes")(folder)


def with_node(kind, inputs, domain="", **attributes):
    def change(folder):
        model = cnn()
        model.graph.node.append(helper.make_node(kind, inputs, ["x"], domain=domain, **attributes))
        return model

    return change


def cycle(folder):
    model = cnn()
    model.graph.node[0].input[0] = "relu1"
    return model


def twice(folder):
    model = cnn()
    model.graph.node[1].output[0] = "conv0"
    return model


def calling_itself(folder):
    model = with_node("f", ["pixel_values"], domain="own")(folder)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, calls in (("f", "g"), ("g", "f")):
        node = helper.make_node(calls, ["a"], ["b"], domain="own")
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], [node], opset))
    return model


def growing(folder):
    """Forty functions, each of which calls the next twice."""
    model = with_node("f0", ["pixel_values"], domain="own")(folder)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for number in range(40):
        calls = f"f{number + 1}" if number < 39 else "Relu"
        domain = "own" if number < 39 else ""
        nodes = [
            helper.make_node(calls, [given], [gives], domain=domain)
            for given, gives in (("a", "b"), ("b", "c"))
        ]
        model.functions.append(
            helper.make_function("own", f"f{number}", ["a"], ["c"], nodes, opset)
        )
    return model


def defining_relu(folder):
    model = cnn()
    node = helper.make_node("Neg", ["a"], ["b"])
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "Relu", ["a"], ["b"], [node], opset))
    return model


def shaped(*dims):
    def change(folder):
        model = cnn()
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)
        return model

    return change


def expanding(folder):
    """A few bytes that would become a tensor of a tebibyte."""
    model = cnn()
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([1, 16, 1 << 18, 1 << 18], np.int64), "huge")
    )
    model.graph.node.append(helper.make_node("Expand", ["pooled", "huge"], ["wide"]))
    return model


def huge_picture(folder):
    model = cnn()
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_value = dims[3].dim_value = 1 << 20
    return model


def nested(depth):
    def change(folder):
        graph = helper.make_graph([helper.make_node("Relu", ["relu1"], ["y"])], "g", [], [])
        for _ in range(depth):
            node = helper.make_node("If", ["relu1"], ["y"])
            attribute = AttributeProto(name="then_branch", type=AttributeProto.GRAPH, g=graph)
            node.attribute.append(attribute)
            graph = helper.make_graph([node], "g", [], [])
        model = cnn()
        model.graph.node.append(graph.node[0])
        return model

    return change


def sparse(folder):
    model = cnn()
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))
    return model


def without_pictures(folder):
    model = cnn()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def opset(version):
    def change(folder):
        model = cnn()
        model.opset_import[0].version = version
        return model

    return change


def opsets(*versions):
    def change(folder):
        model = cnn()
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid("", each) for each in versions)
        return model

    return change


def contradicting(folder):
    model = vit()
    for tensor in model.graph.initializer:
        if tensor.name == "to_heads":
            tensor.raw_data = np.array([-5, 10**9, 10**9, 10**9], np.int64).tobytes()
    return model


def cut(n_bytes):
    return lambda folder: cnn().SerializeToString()[:-n_bytes]


def many_parts(folder):
    """Ten million empty nodes: 20 MB that would become gigabytes."""
    inner = b"\x0a\x00" * 10_000_000
    length, value = b"", len(inner)
    while value > 127:
        length, value = length + bytes([value & 127 | 128]), value >> 7
    return b"\x08\x08\x3a" + length + bytes([value]) + inner


def deep_groups(folder):
    return b"\x3a\x05" * 1000 + b"\x0b" * 100_000


HOSTILE = {
    "absolute path": (data_at("/etc/passwd"), "would be in '/etc/passwd', not beside the file"),
    "path of the canary": (data_at("{canary}"), "not beside the file"),
    "path upwards": (data_at("../canary"), "would be in '../canary', not beside the file"),
    "path upwards within": (data_at("a/../../canary"), "not beside the file"),
    "path of Windows": (data_at("..\\canary"), "not beside the file"),
    "path with a null byte": (data_at("a\0b"), "not beside the file"),
    "no path": (data_at(""), "not beside the file"),
    "link": (linked, "is a link that leads away"),
    "linked folder": (in_linked_folder, "is a link that leads away"),
    "pipe": (pipe, "is not a regular file"),
    "holes": (holes, r"is 1,099,511,627,776 bytes, of which 0"),
    "missing data": (data_at("nothing.bin"), "its data is missing: 'nothing.bin'"),
    "data behind the end": (data_at("net.onnx", offset="1000000"), "of 'net.onnx', which has"),
    "negative offset": (data_at("net.onnx", offset="-8"), "at -8 of 'net.onnx'"),
    "offset in words": (data_at("net.onnx", offset="first"), "is not a number"),
    "length of its own": (data_at("net.onnx", length="4"), "would be 4 bytes"),
    "custom operator": (
        with_node("Run", ["pixel_values"], domain="evil"),
        r"the operator evil\.Run, which is not of the ONNX standard",
    ),
    "operator of a runtime": (
        with_node("FusedConv", ["pixel_values"], domain="com.microsoft"),
        "export it without optimisation",
    ),
    "random operator": (
        with_node("RandomNormal", [], shape=[1]),
        "RandomNormal: its output would not be repeatable",
    ),
    "loop": (with_node("Loop", ["", ""]), "the operator Loop, whose time nothing bounds"),
    "cycle": (cycle, "needs itself, or stands before what it needs"),
    "value computed twice": (twice, "'conv0' is computed twice"),
    "input of nothing": (with_node("Relu", ["nowhere"]), "needs what nothing computes"),
    "function that calls itself": (calling_itself, r"its function own\.f calls itself"),
    "functions that double": (growing, "more than 100,000 nodes"),
    "standard operator redefined": (defining_relu, "defines operators of the ONNX standard anew"),
    "absurd shape": (shaped(1 << 20, 1 << 20, 1 << 20, 3), "would be of shape"),
    "negative shape": (shaped(-8, -3, 3, 3), "would be of shape"),
    "shape without data": (shaped(8000, 3, 3, 3), "takes 864,000 bytes, and the file has 864"),
    "expanding": (expanding, "'wide' would be of shape"),
    "huge picture": (huge_picture, "would be of shape"),
    "deep nesting": (nested(20), "nested more than 32 deep"),
    "sparse tensors": (sparse, "sparse tensors"),
    "no picture": (without_pictures, "0 of its inputs take pictures"),
    "future operators": (opset(999), "version 999 of ONNX's operators; expected one of 7 to"),
    "ancient operators": (opset(1), "version 1 of ONNX's operators"),
    "operators of two versions": (opsets(17, 11), "version 11 and 17 of ONNX's operators"),
    "operators of no version": (opsets(), "version none of ONNX's operators"),
    "cut short": (cut(100), "not an ONNX model, or cut short"),
    "cut within a length": (cut(1), "not an ONNX model, or cut short"),
    "empty": (lambda folder: b"", "it has 0 bytes"),
    "text": (lambda folder: b"import os; os.system('true')\n" * 9, "not an ONNX model"),
    "zeros": (lambda folder: bytes(10_000), "not an ONNX model"),
    "endless number": (lambda folder: b"\x08" + b"\xff" * 10_000, "not an ONNX model"),
    "length of an exabyte": (lambda folder: b"\x3a" + b"\xff" * 8 + b"\x7f", "cut short"),
    "groups": (deep_groups, "not an ONNX model"),
    # On a slow processor, the time for one step is over before so many are counted.
    "many parts": (many_parts, "more than 500,000 parts|more than .* s at one place"),
}


ISOLATED = ("absolute path", "pipe", "deep nesting", "many parts", "length of an exabyte")
"""In the process of its own in which files are read; the others in this one, which is faster."""


def opened(path, **chosen):
    return onnx_file.open_file(path, ExtractorSpec.of(str(path), scaling="torch", **chosen))


def described(path):
    sent = {}
    describe(lambda about, *parts, next_s=0.0: sent.update(about), str(path), 0)
    return sent


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_its_reason(tmp_path, name):
    make, reason = HOSTILE[name]
    canary = tmp_path / "canary"
    canary.write_bytes(bytes(4096))
    before = canary.stat()
    path = tmp_path / "models" / "net.onnx"
    path.parent.mkdir()
    made = make(tmp_path)
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    read, error = (opened, EngineError) if name in ISOLATED else (described, ValueError)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.process_time()
    with pytest.raises(error, match=reason):
        read(path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = time.process_time() - start + after.ru_utime - used.ru_utime
    assert took_s < LIMIT_S
    assert canary.stat() == before


def test_the_reason_of_another_process_is_that_of_this_one(tmp_path):
    path = save(with_node("Loop", ["", ""])(tmp_path), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="the operator Loop") as here:
        described(path)
    with pytest.raises(EngineError, match="the operator Loop") as there:
        opened(path)
    assert str(there.value) == f"{path} cannot be an extractor: {here.value}"


def test_shapes_that_contradict_one_another_take_no_layer_behind_them(tmp_path):
    path = save(contradicting(tmp_path), tmp_path / "net.onnx")
    known = [value.name for value in described(path)["values"]]
    assert known[-3:] == ["/blocks.0/q", "/blocks.0/k", "/blocks.0/v"]
    with pytest.raises(UsageError, match=r"not clear which output of net\.onnx holds features"):
        opened(path)
    with pytest.raises(UsageError, match="has no layer '/blocks.0/output' of known shape"):
        opened(path, layer="/blocks.0/output")


@pytest.mark.parametrize("seed", range(3))
def test_damage_at_any_place_never_ends_the_process(tmp_path, seed):
    """Bits flipped in the structure: it is refused, or read as another network."""
    rng = np.random.default_rng(seed)
    data = np.frombuffer(vit().SerializeToString(), np.uint8)
    path = tmp_path / "net.onnx"
    for _ in range(40):
        damaged = data.copy()
        at = rng.integers(len(data), size=3)
        damaged[at] ^= (1 << rng.integers(8, size=3)).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            describe(lambda about, *parts, next_s=0.0: None, str(path), 0)
        except ValueError as error:
            assert str(error)


def test_a_model_that_is_whole_is_read(tmp_path):
    """The same way, as a check of the tests above."""
    assert opened(save(cnn(), tmp_path / "net.onnx"))[0].width == 16
