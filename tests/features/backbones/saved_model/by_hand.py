"""SavedModels put together byte by byte, of whatever TensorFlow itself would not write."""

import numpy as np

from bottlebank.features.backbones.saved_model.tensors import (
    DTYPES,
    FLOAT,
    INT32,
    STRING,
    constant_bytes,
    shape_bytes,
)
from bottlebank.features.backbones.saved_model.wire import field, varint

SIZE_PX = 16
KERNEL = np.random.default_rng(3).normal(size=(3, 3, 3, 8)).astype(np.float32)


def entry(number, key, value):
    """An entry of a map."""
    return field(number, field(1, key) + field(2, value))


def of_type(data_type):
    return field(6, data_type)


def number(value):
    return field(3, value)


def numbers(*values):
    return field(1, field(3, b"".join(map(varint, values))))


def text(value):
    return field(2, value)


def tensor(array, data_type):
    return field(8, constant_bytes(np.asarray(array), data_type))


def texts(*values):
    """A tensor of texts."""
    held = b"".join(field(8, value) for value in values)
    return field(8, field(1, STRING) + field(2, shape_bytes((len(values),))) + held)


def node(name, op, *inputs, **attributes):
    """A node, as a message."""
    held = b"".join(entry(5, key, value) for key, value in attributes.items())
    return field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + held


def constant(name, array, data_type=INT32):
    value = tensor(array, data_type)
    return node(name, "Const", dtype=of_type(data_type), value=value)


def call(name, function, *inputs):
    return node(name, "StatefulPartitionedCall", *inputs, f=field(10, field(1, function)))


def function(name, arguments, nodes, returns):
    """A function; `returns` are its results, by name."""
    signature = field(1, name)
    signature += b"".join(field(2, field(1, each) + field(3, FLOAT)) for each in arguments)
    signature += b"".join(field(3, field(1, each) + field(3, FLOAT)) for each in returns)
    held = b"".join(field(3, each) for each in nodes)
    return (
        field(1, signature)
        + held
        + b"".join(field(4, field(1, key) + field(2, value)) for key, value in returns.items())
    )


def info(name, data_type, shape):
    return field(1, name) + field(2, data_type) + field(3, shape_bytes(shape))


def saved_model(
    nodes,
    functions=(),
    *,
    output="out:0",
    shape=(None, SIZE_PX, SIZE_PX, 3),
    data_type=FLOAT,
    restore="",
    more=b"",
):
    """The bytes of a file whose signature goes from the node ``x`` to an output."""
    picture = node("x", "Placeholder", dtype=of_type(data_type))
    graph = b"".join(field(1, each) for each in (picture, *nodes))
    graph += field(2, b"".join(field(1, each) for each in functions)) + field(4, field(1, 2000))
    signature = entry(1, "picture", info("x:0", data_type, shape))
    signature += entry(2, "features", info(output, FLOAT, (None, 8)))
    return field(1, 1) + field(
        2,
        field(1, field(4, "serve"))
        + field(2, graph)
        + (field(3, field(3, restore)) if restore else b"")
        + entry(5, "serving_default", signature)
        + more,
    )


def convolution(kernel="kernel", picture="x"):
    """Nodes from a picture and a kernel to features."""
    same = {"T": of_type(FLOAT), "padding": text("SAME"), "strides": numbers(1, 2, 2, 1)}
    return [
        node("conv", "Conv2D", picture, kernel, **same),
        node("relu", "Relu", "conv", T=of_type(FLOAT)),
        constant("axes", [1, 2]),
        node("out", "Mean", "relu", "axes", T=of_type(FLOAT), Tidx=of_type(INT32)),
    ]


def restoring(**keys):
    """Nodes of variables, each read from a name in ``variables/``, and what restores them."""
    nodes = [
        node("prefix", "Placeholder", dtype=of_type(STRING)),
        node("keys", "Const", dtype=of_type(STRING), value=texts(*keys.values())),
        node("slices", "Const", dtype=of_type(STRING), value=texts(*[""] * len(keys))),
        node("restore", "RestoreV2", "prefix", "keys", "slices"),
    ]
    for at, name in enumerate(keys):
        nodes.append(node(f"{name}_handle", "VarHandleOp", dtype=of_type(FLOAT)))
        nodes.append(node(name, "ReadVariableOp", f"{name}_handle", dtype=of_type(FLOAT)))
        nodes.append(node(f"{name}_set", "AssignVariableOp", f"{name}_handle", f"restore:{at}"))
    nodes.append(node("all", "NoOp", *[f"^{name}_set" for name in keys]))
    return nodes


def whole():
    """A network that is as it should be, with a variable."""
    return saved_model([*restoring(kernel="w"), *convolution()], restore="all")


def table(pairs, *, compressed=0):
    """A table of names and values, as an index has them."""

    def block(entries):
        data = b"".join(
            varint(0) + varint(len(key)) + varint(len(value)) + key + value
            for key, value in entries
        )
        return data + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")

    def held(data, kind=0):
        return data + bytes([kind]) + bytes(4)

    def handle(offset, data):
        return varint(offset) + varint(len(data))

    values, others = block(pairs), block([])
    index = block([(b"~", handle(0, values))])
    file = held(values, compressed) + held(others) + held(index)
    first, second = len(values) + 5, len(values) + 5 + len(others) + 5
    footer = handle(first, others) + handle(second, index)
    return file + footer.ljust(40, b"\0") + 0xDB4775248B80FB57.to_bytes(8, "little")


def variable_entry(array=KERNEL, *, offset=0, n_bytes=None, shard=0, shape=None, data_type=FLOAT):
    """Where a variable is."""
    size = array.astype(DTYPES[FLOAT]).nbytes if n_bytes is None else n_bytes
    return (
        field(1, data_type)
        + field(2, shape_bytes(shape or array.shape))
        + field(3, shard)
        + field(4, offset)
        + field(5, size)
    )


def variables(entries=None, *, n_shards=1, **settings):
    """An index, by default of the variable of `whole`."""
    entries = {"w": variable_entry()} if entries is None else entries
    header = field(1, n_shards) + field(3, field(1, 1))
    pairs = [(b"", header), *((key.encode(), value) for key, value in sorted(entries.items()))]
    return table(pairs, **settings)


def write(folder, model=None, index=None, data=None):
    """Write a folder; what is not given is as it should be."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(whole() if model is None else model)
    (folder / "variables" / "variables.index").write_bytes(variables() if index is None else index)
    file = folder / "variables" / "variables.data-00000-of-00001"
    file.write_bytes(KERNEL.tobytes() if data is None else data)
    return folder
