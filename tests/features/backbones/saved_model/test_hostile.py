"""SavedModels that were made to do harm: each is refused with its reason, in bounded time."""

import os
import resource
import shutil

import numpy as np
import pytest

from bottlebank.errors import EngineError
from bottlebank.features.backbones.saved_model import folder as saved_model_folder
from bottlebank.features.backbones.saved_model.process import describe
from bottlebank.features.backbones.saved_model.tensors import FLOAT, INT32, STRING, shape_bytes
from bottlebank.features.backbones.saved_model.wire import field
from bottlebank.features.backbones.spec import ExtractorSpec

from . import by_hand
from .by_hand import (
    KERNEL,
    SIZE_PX,
    call,
    constant,
    convolution,
    entry,
    function,
    node,
    number,
    of_type,
    restoring,
    saved_model,
    texts,
    variable_entry,
    variables,
    whole,
    write,
)

LIMIT_S = 2.0
SHARD = "variables/variables.data-00000-of-00001"


def with_nodes(*nodes, before="x", **settings):
    """A network that begins with what nodes make."""
    kernel = constant("kernel", KERNEL, FLOAT)
    return saved_model([*nodes, kernel, *convolution(picture=before)], **settings)


def with_operator(op, *inputs, **attributes):
    """The operator is between the picture and the first layer."""
    return with_nodes(node("evil", op, *inputs, **attributes), before="evil")


def within_function(*nodes, result="a"):
    """The network calls a function with these nodes."""
    return with_nodes(call("f", "own", "x"), functions=[own(*nodes, result=result)], before="f")


def own(*nodes, name="own", result="a"):
    return function(name, ["a"], nodes, {"b": result})


def calls(name, to, *, twice=False):
    nodes = [call("c", to, "a")]
    if twice:
        nodes.append(call("d", to, "c:output:0"))
    return own(*nodes, name=name, result="d:output:0" if twice else "c:output:0")


def chain(length, **settings):
    """Functions, each of which calls the next."""
    links = [calls(f"f{at}", f"f{at + 1}", **settings) for at in range(length)]
    last = own(
        node("r", "Relu", "a", T=of_type(FLOAT)), name=f"f{length}", result="r:activations:0"
    )
    return with_nodes(call("f", "f0", "x"), functions=[*links, last], before="f")


def in_circle():
    functions = [calls("g", "h"), calls("h", "g")]
    return with_nodes(call("f", "g", "x"), functions=functions, before="f")


def sized(shape, content=b"\0\0\0\0"):
    """A constant of a shape, with this data."""
    data = field(8, field(1, FLOAT) + field(2, shape_bytes(shape)) + field(4, content))
    return with_nodes(
        node("big", "Const", dtype=of_type(FLOAT), value=data),
        node("sum", "AddV2", "x", "big", T=of_type(FLOAT)),
        before="sum",
    )


def repeated(*shape):
    """A constant of which the file has one number."""
    data = field(8, field(1, INT32) + field(2, shape_bytes(shape)) + field(7, 1))
    return with_nodes(node("big", "Const", dtype=of_type(INT32), value=data), before="big")


def filled(*sizes):
    return with_nodes(
        constant("sizes", sizes),
        constant("one", 1.0, FLOAT),
        node("wide", "Fill", "sizes", "one", T=of_type(FLOAT)),
        before="wide",
    )


def tiled(times):
    return with_nodes(
        constant("times", [1, times, times, 1]),
        node("wide", "Tile", "x", "times", T=of_type(FLOAT)),
        before="wide",
    )


def normalising_by_batch():
    ones = [constant(name, np.ones(3), FLOAT) for name in ("a", "b", "c", "d")]
    return with_nodes(
        *ones, node("n", "FusedBatchNormV3", "x", "a", "b", "c", "d", T=of_type(FLOAT)), before="n"
    )


def with_table():
    """What a network with names of classes has."""
    return with_nodes(
        node("names", "HashTableV2"),
        constant("none", 0),
        node("found", "LookupTableFindV2", "names", "x", "none"),
        before="found",
    )


def in_front(op):
    """Something that would only run before the network, as control inputs have it."""
    return with_nodes(
        node("evil", op, "x"),
        node("then", "Identity", "x", "^evil", T=of_type(FLOAT)),
        before="then",
    )


def deep_arguments():
    """The objects of a SavedModel without signatures, whose call takes lists in lists."""
    value = b""
    for _ in range(300):
        value = field(51, field(1, value))
    objects = field(1, field(1, field(1, 1) + field(2, "__call__")))
    objects += field(1, field(6, field(1, "f"))) + entry(2, "f", field(3, value))
    return field(1, 1) + field(2, field(1, field(4, "serve")) + field(7, objects))


def link(name, to):
    def make(folder):
        write(folder)
        (folder / name).unlink()
        (folder / name).symlink_to(folder.parent / to)

    return make


def linked_folder(folder):
    write(folder)
    shutil.move(folder / "variables", folder.parent / "elsewhere")
    (folder / "variables").symlink_to(folder.parent / "elsewhere")


def pipe(name):
    def make(folder):
        write(folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def holes(folder):
    write(folder)
    with (folder / SHARD).open("wb") as file:
        file.truncate(1 << 40)


def without(name):
    def make(folder):
        write(folder)
        (folder / name).unlink()

    return make


def of(model):
    return lambda folder: write(folder, model)


def indexed(**settings):
    return lambda folder: write(folder, index=variables(**settings))


def damaged_index(change):
    return lambda folder: write(folder, index=change(variables()))


PICTURE_TYPES = {"T": of_type(FLOAT)}
HOSTILE = {
    "reads a file": (of(with_operator("ReadFile", "x")), "the operator 'ReadFile', which is not"),
    "writes a file in a function": (
        of(within_function(node("w", "WriteFile", "a", "a"))),
        "the operator 'WriteFile', which is not among those of layers",
    ),
    "writes a file before the network": (of(in_front("WriteFile")), "operator 'WriteFile'"),
    "lists files": (of(with_operator("MatchingFiles", "x")), "operator 'MatchingFiles'"),
    "restores a file": (of(with_operator("RestoreV2", "x", "x", "x")), "operator 'RestoreV2'"),
    "saves": (of(in_front("SaveV2")), "operator 'SaveV2'"),
    "Python": (of(with_operator("PyFunc", "x")), "operator 'PyFunc'"),
    "eager Python": (of(within_function(node("p", "EagerPyFunc", "a"))), "'EagerPyFunc'"),
    "prints": (of(in_front("PrintV2")), "operator 'PrintV2'"),
    "a custom operator": (of(with_operator("Evil>Run", "x")), "the operator 'Evil>Run'"),
    "a compiled program": (of(with_operator("XlaCallModule", "x")), "a program of JAX: export"),
    "a table": (of(with_table()), "operator 'LookupTableFindV2'|operator 'HashTableV2'"),
    "an iterator": (of(with_operator("IteratorGetNext", "x")), "operator 'IteratorGetNext'"),
    "encoded pictures": (of(with_operator("DecodeJpeg", "x")), "operator 'DecodeJpeg'"),
    "random": (
        of(within_function(node("r", "RandomUniform", "a"))),
        "'RandomUniform': its output would change; layers that change pictures at random",
    ),
    "changes a variable": (of(in_front("AssignVariableOp")), "which changes its variables"),
    "a loop": (of(with_operator("While", "x")), "the operator 'While', whose time nothing bounds"),
    "a branch": (of(with_operator("If", "x")), "the operator 'If', which chooses what is computed"),
    "a function that calls itself": (
        of(with_nodes(call("f", "g", "x"), functions=[calls("g", "g")], before="f")),
        "its function 'g' calls itself",
    ),
    "functions in a circle": (of(in_circle()), "its function 'g' calls itself"),
    "functions that double": (of(chain(40, twice=True)), "more than 20,000 nodes"),
    "functions nested deep": (of(chain(60)), "nested more than 50 deep"),
    "no such function": (of(with_nodes(call("f", "g", "x"), before="f")), "it does not have: 'g'"),
    "a function as a setting": (
        of(with_operator("Relu", "x", T=field(10, field(1, "g")))),
        "'evil' has a function as its 'T'",
    ),
    "a cycle": (of(with_operator("Relu", "evil", **PICTURE_TYPES)), "'evil' needs itself"),
    "a node of nothing": (of(with_operator("Relu", "nowhere")), "nothing computes: 'nowhere'"),
    "an output that is not there": (
        of(with_nodes(node("r", "Relu", "x", **PICTURE_TYPES), before="r:7")),
        "'r' has no output 7",
    ),
    "two nodes of one name": (of(with_nodes(constant("a", 1), constant("a", 1))), "called 'a'"),
    "text": (
        of(
            with_nodes(node("t", "Const", value=texts("a", "b"), dtype=of_type(STRING)), before="t")
        ),
        "'t' is text, which is not part of a network",
    ),
    "an absurd shape": (of(sized((1 << 20, 1 << 20, 1 << 20))), "'big' would be of shape"),
    "a shape of a hundred axes": (of(sized((1,) * 100)), "'big' would be of shape"),
    "a shape without its data": (of(sized((8, 8))), "takes 256 bytes, and the file has 4"),
    "one number repeated for ever": (of(repeated(1 << 27)), r"has 1 numbers in the file"),
    "expanding": (of(filled(1, 1 << 20, 1 << 20, 3)), "'wide' would be of shape"),
    "expanding by a product that overflows": (
        of(filled(1 << 30, 1 << 30, 1 << 30, 1 << 30)),
        "'wide' would be of shape",
    ),
    "negative sizes": (of(filled(1, -8, -8, 3)), "'wide' would be of shape"),
    "tiled": (of(tiled(1 << 14)), "'wide' would be of shape"),
    "a huge picture": (of(with_nodes(shape=(1, 1 << 18, 1 << 18, 3))), "would be of shape"),
    "a batch of its own": (of(with_nodes(shape=(32, SIZE_PX, SIZE_PX, 3))), "exactly 32 images"),
    "shapes that contradict": (
        of(with_nodes(constant("n", [7, 7]), node("r", "Reshape", "x", "n"), before="r")),
        "its shapes contradict one another: Reshape 'r'",
    ),
    "more outputs than it says": (
        of(
            with_nodes(
                constant("sizes", [4, 4, 8]),
                constant("axis", 1),
                node("s", "SplitV", "x", "sizes", "axis", T=of_type(FLOAT), num_split=number(2)),
                before="s",
            )
        ),
        "its shapes contradict one another: SplitV 's'",
    ),
    "normalising by the batch": (of(normalising_by_batch()), "by all images of a batch"),
    "no picture": (
        of(with_nodes(shape=(None, 10))),
        r"0 of the inputs .*: its inputs are picture \(\?, 10\)",
    ),
    "a picture as text": (of(with_nodes(data_type=STRING)), r"its inputs are picture \(text\)"),
    "no signature": (
        of(field(1, 1) + field(2, field(1, field(4, "serve")))),
        "it has no signature",
    ),
    "objects nested deep": (of(deep_arguments()), "nested too deep"),
    "variables that are a link": (link(SHARD, "canary"), "is a link that leads away"),
    "an index that is a link": (
        link("variables/variables.index", "canary"),
        "link that leads away",
    ),
    "a folder that is a link": (linked_folder, "is a link that leads away"),
    "variables that are a pipe": (pipe(SHARD), "not a regular file"),
    "an index that is a pipe": (pipe("variables/variables.index"), "not a regular file"),
    "a graph that is a pipe": (pipe("saved_model.pb"), "not a regular file"),
    "variables that are a hole": (holes, "1,099,511,627,776 bytes, of which 0"),
    "no variables": (without(SHARD), "No such file"),
    "no index": (without("variables/variables.index"), "there is no variables/variables.index"),
    "a variable that is not there": (indexed(entries={"v": variable_entry()}), "'w' has no value"),
    "a variable behind the end": (
        indexed(entries={"w": variable_entry(offset=1 << 40)}),
        "bytes at 1,099,511,627,776 of variables/",
    ),
    "a variable before the beginning": (
        indexed(entries={"w": variable_entry(offset=-64)}),
        "bytes at -64 of",
    ),
    "a variable in another file": (
        indexed(entries={"w": variable_entry(shard=9)}),
        "would be in file 9 of 1",
    ),
    "a variable of another size": (
        indexed(entries={"w": variable_entry(n_bytes=4)}),
        "takes 864 bytes, not 4",
    ),
    "a variable of an absurd shape": (
        indexed(entries={"w": variable_entry(shape=(1 << 40, 1 << 40))}),
        "'w' would be of shape",
    ),
    "a million files": (indexed(n_shards=1_000_000), "variables.index is damaged"),
    "a compressed index": (indexed(compressed=1), "is compressed, which is not supported"),
    "an index cut short": (damaged_index(lambda data: data[:-9]), "index is damaged"),
    "an index of zeros": (damaged_index(lambda data: bytes(len(data))), "index is damaged"),
    "an empty index": (damaged_index(lambda data: b""), "index is damaged"),
    "an index whose keys share too much": (
        damaged_index(lambda data: b"\x7f" + data[1:]),
        "index is damaged",
    ),
    "variables restored from elsewhere": (
        of(saved_model([*restoring(kernel="w")[4:], *convolution()], restore="all")),
        "the variable .* has no value in variables/",
    ),
    "cut short": (of(whole()[:-100]), "damaged, or cut short"),
    "empty": (of(b""), "saved_model.pb has 0 bytes"),
    "a script": (of(b"import os; os.system('true')\n" * 9), "damaged|not a SavedModel"),
    "zeros": (of(bytes(10_000)), "damaged, or cut short"),
    "an endless number": (of(b"\x08" + b"\xff" * 10_000), "damaged, or cut short"),
    "a length of an exabyte": (of(b"\x12" + b"\xff" * 8 + b"\x7f"), "damaged, or cut short"),
    "groups": (of(b"\x12\x05" * 1000 + b"\x0b" * 100_000), "damaged, or cut short"),
    "many parts": (of(field(2, b"\x0a\x00" * 2_000_000)), "more than 1,000,000 parts"),
    "a name of a megabyte": (of(with_operator("A" * (1 << 20), "x")), "a name of 1,048,576 bytes"),
}


def opened(folder):
    return saved_model_folder.open_file(folder, ExtractorSpec.of(str(folder), scaling="none"))


def described(folder):
    """What the process of its own does, in this one."""
    describe(lambda about, *parts, next_s=0.0: None, str(folder), 0, "[]")


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_its_reason(tmp_path, name):
    make, reason = HOSTILE[name]
    canary = tmp_path / "canary"
    canary.write_bytes(bytes(4096))
    before = canary.stat()
    make(tmp_path / "network")
    with pytest.raises((ValueError, OSError), match=reason):
        described(tmp_path / "network")
    assert canary.stat() == before


@pytest.mark.parametrize(
    "name",
    [
        "writes a file in a function",
        "functions that double",
        "variables that are a pipe",
        "a graph that is a pipe",
        "groups",
    ],
)
def test_it_is_refused_in_a_process_of_its_own(tmp_path, name):
    make, reason = HOSTILE[name]
    make(tmp_path / "network")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(EngineError, match=f"network cannot be an extractor: .*{reason}"):
        opened(tmp_path / "network")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used.ru_utime < LIMIT_S


@pytest.mark.parametrize("seed", range(3))
def test_damage_at_any_place_is_refused_or_another_network(tmp_path, seed):
    rng = np.random.default_rng(seed)
    parts = {"saved_model.pb": whole(), "variables/variables.index": variables()}
    folder = write(tmp_path / "network")
    for name, data in parts.items():
        for _ in range(100):
            damaged = np.frombuffer(data, np.uint8).copy()
            at = rng.integers(len(damaged), size=2)
            damaged[at] ^= (1 << rng.integers(8, size=2)).astype(np.uint8)
            (folder / name).write_bytes(damaged.tobytes())
            try:
                described(folder)
            except (ValueError, OSError) as error:
                assert str(error)
        (folder / name).write_bytes(data)


def test_a_folder_that_is_whole_is_read(tmp_path):
    """The same way, as a check of the tests above."""
    assert opened(write(tmp_path / "network"))[0].width == 8


def test_a_shape_that_depends_on_the_picture_is_of_no_layer_nor_of_any_behind_it(tmp_path):
    """Else it could have any size."""
    nodes = [
        constant("all", [0, 1, 2, 3]),
        node("sum", "Sum", "x", "all", T=of_type(FLOAT), Tidx=of_type(INT32)),
        node("sizes", "Cast", "sum", SrcT=of_type(FLOAT), DstT=of_type(INT32)),
        node("wide", "Fill", "sizes", "sum", T=of_type(FLOAT)),
        constant("back", [1, SIZE_PX, SIZE_PX, 3]),
        constant("kernel3", np.ones((3, 3, 3, 3)), FLOAT),
        node(
            "made",
            "Conv2DBackpropInput",
            *("back", "kernel3", "wide"),
            T=of_type(FLOAT),
            padding=by_hand.text("SAME"),
            strides=by_hand.numbers(1, 1, 1, 1),
        ),
    ]
    folder = write(tmp_path / "network", with_nodes(*nodes, before="made"))
    assert saved_model_folder.layers(folder, ExtractorSpec.of(str(folder))).layers == []


def test_files_that_hold_no_variable_of_the_network_are_not_needed(tmp_path):
    folder = write(tmp_path / "network", index=variables(n_shards=2))
    shard = folder / SHARD
    shard.rename(folder / "variables" / "variables.data-00000-of-00002")
    assert [path.name for path in opened(folder)[1].more] == [
        "variables.index",
        "variables.data-00000-of-00002",
    ]


def test_a_network_of_constants_needs_no_variables(tmp_path):
    folder = write(tmp_path / "network", with_nodes())
    shutil.rmtree(folder / "variables")
    backbone, weights = opened(folder)
    assert (backbone.width, weights.more) == (8, ())


def test_what_a_folder_says_is_to_run_when_it_is_loaded_is_not(tmp_path):
    """Of the graph, only what the signature needs is ever looked at."""
    nodes = [
        node("name", "Const", dtype=of_type(STRING), value=texts(str(tmp_path / "canary"))),
        node("init", "WriteFile", "name", "name"),
        constant("kernel", KERNEL, FLOAT),
        *convolution(),
    ]
    init = entry(5, "__saved_model_init_op", entry(2, "init", by_hand.info("init", 0, ())))
    opened(write(tmp_path / "network", saved_model(nodes, more=init)))
    assert not (tmp_path / "canary").exists()


def test_links_of_a_hubs_cache_are_followed(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1f2e"
    write(tmp_path / "plain")
    blobs.mkdir()
    (snapshot / "variables").mkdir(parents=True)
    names = ("saved_model.pb", "variables/variables.index", SHARD)
    for at, name in enumerate(names):
        (tmp_path / "plain" / name).rename(blobs / str(at))
        (snapshot / name).symlink_to(blobs / str(at))
    assert opened(snapshot)[0].width == 8
