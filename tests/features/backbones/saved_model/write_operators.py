"""Every operator that a network may have, run by TensorFlow on small inputs.

Imported by `write_networks`, in a process of its own.
"""

import numpy as np
import tensorflow as tf

from bottlebank.features.backbones.saved_model import operators


def floats(*shape):
    return np.random.default_rng(len(shape)).uniform(0.1, 0.9, shape).astype(np.float32)


def ints(*numbers):
    return np.array(numbers, np.int32)


MAP, MATRIX, VECTOR = floats(2, 6, 8, 4), floats(3, 4), floats(4)
FLAGS = MATRIX > 0.5
SAME = {"strides": [1, 2, 2, 1], "padding": "SAME"}
VALID = {"strides": [1, 2, 1, 1], "padding": "VALID"}
SIGNED = {"All": FLAGS, "Any": FLAGS, "LogicalNot": FLAGS}


def explicit(*pads):
    return {"strides": [1, 2, 2, 1], "padding": "EXPLICIT", "explicit_paddings": list(pads)}


def cases():
    """Name of an operator, inputs and settings, by name."""
    more = {  # elementwise ones that take more than numbers
        "Cumprod": {"axis": ints(1)[0]},
        "Cumsum": {"axis": ints(1)[0]},
        "FakeQuantWithMinMaxVars": {"min": np.float32(0), "max": np.float32(1)},
        "FakeQuantWithMinMaxVarsPerChannel": {"min": VECTOR - 1, "max": VECTOR + 1},
        "MatrixBandPart": {"num_lower": ints(1)[0], "num_upper": ints(0)[0]},
        "ReverseV2": {"axis": ints(1)},
        "Roll": {"shift": ints(1), "axis": ints(0)},
    }
    names = {
        "FakeQuantWithMinMaxArgs": "inputs",
        "FakeQuantWithMinMaxVars": "inputs",
        "FakeQuantWithMinMaxVarsPerChannel": "inputs",
        "LeakyRelu": "features",
        **dict.fromkeys(("Elu", "Relu", "Relu6", "Selu", "Softplus", "Softsign"), "features"),
        **dict.fromkeys(("LogSoftmax", "Softmax"), "logits"),
        **dict.fromkeys(("MatrixBandPart", "LRN", "Roll"), "input"),
        "ReverseV2": "tensor",
    }
    for op in sorted(operators.ELEMENTWISE):
        given = MAP if op == "LRN" else FLAGS if op == "LogicalNot" else MATRIX
        yield op, {names.get(op, "x"): given, **more.get(op, {})}
    for op in sorted(operators.BROADCAST - {"SelectV2"}):
        pair = (FLAGS, FLAGS[:1]) if op.startswith("Logical") else (MATRIX, VECTOR)
        pair = pair if not op.startswith(("Trunc", "Mod")) else (ints(7, 8), ints(2)[0])
        yield op, dict(zip(("y", "x") if op == "Atan2" else ("x", "y"), pair, strict=True))
    for op in sorted(operators.REDUCTIONS):
        given = FLAGS if op in ("All", "Any") else MATRIX
        yield op, {"input": given, "axis": ints(-1)}
        yield op, {"input": given, "axis": ints(0, 1), "keep_dims": True}
    numbers = ints(3, -4, 5)
    for op in ("Add", "AddV2", "Sub", "Mul", "FloorDiv", "FloorMod", "Maximum", "Minimum"):
        yield op, {"x": numbers, "y": ints(2)[0]}
    for op in ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"):
        yield op, {"x": numbers, "y": ints(3)[0]}
    for op in ("Max", "Min", "Prod", "Sum"):
        yield op, {"input": numbers, "axis": ints(0)}
    kernel = floats(3, 3, 4, 5)
    for settings in (SAME, VALID, explicit(0, 0, 1, 2, 0, 1, 0, 0)):
        yield "Conv2D", {"input": MAP, "filter": kernel, **settings}
    dilated = {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 2, 2, 1]}
    yield "Conv2D", {"input": MAP, "filter": kernel, **dilated}
    yield "Conv2D", {"input": MAP, "filter": floats(3, 3, 2, 6), **SAME}  # two groups
    square = {**VALID, "strides": [1, 2, 2, 1]}
    for settings in (SAME, square):
        yield "DepthwiseConv2dNative", {"input": MAP, "filter": floats(3, 3, 4, 2), **settings}
    yield (
        "Conv2DBackpropInput",
        {"input_sizes": ints(2, 6, 8, 4), "filter": kernel, "out_backprop": floats(2, 3, 4, 5)}
        | SAME,
    )
    for op, name in (("AvgPool", "value"), ("MaxPool", "input")):
        for settings in (SAME, VALID):
            yield op, {name: MAP, "ksize": [1, 3, 2, 1], **settings}
    yield "MatMul", {"a": MATRIX, "b": MATRIX, "transpose_b": True}
    yield "MatMul", {"a": MATRIX, "b": MATRIX, "transpose_a": True}
    batches = {"x": floats(2, 1, 3, 4), "y": floats(5, 4, 6)}
    yield "BatchMatMulV2", batches
    yield "BatchMatMulV3", {**batches, "Tout": tf.float32}
    yield "BatchMatMul", {"x": floats(2, 3, 4), "y": floats(2, 3, 6), "adj_x": True}
    for op in sorted(operators.RESIZES):
        yield op, {"images": MAP, "size": ints(3, 5)}
    scale = {"scale": VECTOR, "offset": VECTOR, "mean": VECTOR, "variance": VECTOR}
    for op in sorted(operators.NORMALISATIONS):
        yield op, {"x": MAP, **scale, "is_training": False}
    yield "AddN", {"inputs": [MATRIX, MATRIX]}
    for op in ("ArgMax", "ArgMin"):
        yield op, {"input": MAP, "dimension": ints(3)[0]}
    yield "ArgMax", {"input": MAP, "dimension": ints(1)[0], "output_type": tf.int32}
    crops = np.array([[0, 1], [0, 0]], np.int32)
    blocks = {"block_shape": ints(2, 2)}
    yield "BatchToSpaceND", {"input": floats(8, 3, 4, 5), "crops": crops, **blocks}
    yield "SpaceToBatchND", {"input": floats(2, 5, 8, 3), "paddings": crops, **blocks}
    yield "BiasAdd", {"value": MAP, "bias": VECTOR}
    yield "BroadcastArgs", {"s0": ints(2, 1, 3), "s1": ints(4, 1)}
    yield "BroadcastTo", {"input": VECTOR, "shape": ints(2, 3, 4)}
    yield "Cast", {"x": MATRIX, "DstT": tf.int64}
    yield "Cast", {"x": floats(3) * 9 - 4, "DstT": tf.int32}
    yield "ClipByValue", {"t": MATRIX, "clip_value_min": MATRIX * 0, "clip_value_max": MATRIX}
    yield "Concat", {"concat_dim": ints(1)[0], "values": [MATRIX, MATRIX]}
    yield "ConcatV2", {"values": [MATRIX, MATRIX, MATRIX], "axis": ints(-2)[0]}
    yield "ConcatV2", {"values": [ints(1, 2), ints(3)], "axis": ints(0)[0]}
    yield "DepthToSpace", {"input": MAP, "block_size": 2}
    yield "SpaceToDepth", {"input": MAP, "block_size": 2}
    yield "Einsum", {"inputs": [floats(2, 3, 4), floats(4, 5)], "equation": "abc,cd->abd"}
    yield "Einsum", {"inputs": [floats(2, 3, 4), floats(2, 5, 4)], "equation": "...ij,...kj->...ik"}
    yield "Einsum", {"inputs": [MATRIX], "equation": "ij->ji"}
    yield "EnsureShape", {"input": MATRIX, "shape": [None, 4]}
    yield "ExpandDims", {"input": MATRIX, "axis": ints(-1)[0]}
    yield "Fill", {"dims": ints(2, 3), "value": np.float32(1)}
    yield "Gather", {"params": MATRIX, "indices": ints(0, 2, 2)}
    yield "GatherNd", {"params": MAP, "indices": np.array([[0, 1], [1, 2]], np.int32)}
    yield "GatherV2", {"params": MAP, "indices": ints(0, 2), "axis": ints(-1)[0]}
    yield "GatherV2", {"params": ints(4, 5, 6), "indices": ints(2)[0], "axis": ints(0)[0]}
    indices = np.zeros((2, 3), np.int32)
    yield "GatherV2", {"params": MAP, "indices": indices, "axis": ints(1)[0], "batch_dims": 1}
    yield "InvertPermutation", {"x": ints(2, 0, 1)}
    yield "MirrorPad", {"input": MATRIX, "paddings": crops, "mode": "REFLECT"}
    on = {"on_value": np.float32(1), "off_value": np.float32(0)}
    yield "OneHot", {"indices": ints(0, 2), "depth": ints(3)[0], **on}
    yield "OneHot", {"indices": ints(0, 2), "depth": ints(3)[0], **on, "axis": 0}
    yield "Pack", {"values": [MATRIX, MATRIX], "axis": -1}
    yield "Pack", {"values": [ints(1)[0], ints(2)[0]]}
    yield "Pad", {"input": MATRIX, "paddings": crops}
    yield "PadV2", {"input": MATRIX, "paddings": crops, "constant_values": np.float32(1)}
    yield "Range", {"start": ints(1)[0], "limit": ints(8)[0], "delta": ints(3)[0]}
    yield "Rank", {"input": MAP}
    yield "Reshape", {"tensor": MAP, "shape": ints(2, -1, 4)}
    yield "Reshape", {"tensor": ints(1, 2, 3, 4), "shape": ints(2, 2)}
    yield "Select", {"condition": FLAGS, "x": MATRIX, "y": MATRIX}
    yield "SelectV2", {"condition": FLAGS, "t": MATRIX, "e": VECTOR}
    yield "Shape", {"input": MAP}
    yield "Shape", {"input": MAP, "out_type": tf.int64}
    yield "ShapeN", {"input": [MAP, MATRIX]}
    yield "Size", {"input": MAP}
    yield "Slice", {"input": MAP, "begin": ints(0, 1, 2, 0), "size": ints(1, 2, -1, 4)}
    yield "Slice", {"input": ints(1, 2, 3), "begin": ints(1), "size": ints(-1)}
    yield "Split", {"axis": ints(3)[0], "value": MAP, "num_split": 2}
    sizes = {"size_splits": ints(1, -1, 2), "num_split": 3}
    yield "SplitV", {"value": MAP, "axis": ints(2)[0], **sizes}
    yield "Squeeze", {"input": floats(1, 3, 1, 4), "axis": [2]}
    yield "Squeeze", {"input": floats(1, 3, 1, 4)}
    ends = {"begin": ints(0, 1, 0), "end": ints(2, -1, 3), "strides": ints(1, 2, 1)}
    yield "StridedSlice", {"input": MAP, **ends, "end_mask": 1, "shrink_axis_mask": 4}
    yield "StridedSlice", {"input": MAP, **ends, "ellipsis_mask": 2, "new_axis_mask": 1}
    one = {"begin": ints(1), "end": ints(3), "strides": ints(1)}
    yield "StridedSlice", {"input": ints(5, 6, 7, 8), **one}
    yield "StridedSlice", {"input": ints(5, 6, 7, 8), **one, "shrink_axis_mask": 1}
    yield "Tile", {"input": MATRIX, "multiples": ints(2, 3)}
    yield "TopKV2", {"input": MATRIX, "k": ints(2)[0]}
    yield "Transpose", {"x": MAP, "perm": ints(0, 3, 1, 2)}
    yield "Unpack", {"value": MATRIX, "num": 4, "axis": 1}
    yield "Unpack", {"value": ints(7, 8), "num": 2}
    for op in ("ZerosLike", "OnesLike", "Neg", "Abs", "Square", "Sign"):
        yield op, {"x": numbers}
    for op in ("Ceil", "Floor", "Round", "Rint"):
        yield op, {"x": floats(3) * 5}


def write(path):
    """Write one graph, and the outputs of each of its nodes."""
    results = {}
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        for at, (op, given) in enumerate(cases()):
            name = f"{op}_{at}"
            tensors = {key: _tensors(value) for key, value in given.items()}
            getattr(tf.raw_ops, op)(name=name, **tensors)
            # Of normalisations, the others depend on what computes them.
            outputs = graph.get_operation_by_name(name).outputs
            for output in outputs[:1] if op in operators.NORMALISATIONS else outputs:
                results[output.name] = output
        results = session.run(results)
        results["graph"] = np.frombuffer(graph.as_graph_def().SerializeToString(), np.uint8)
    np.savez(path, **results)


def _tensors(value):
    if isinstance(value, np.ndarray | np.generic):
        return tf.constant(value)
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray | np.generic):
        return [tf.constant(each) for each in value]
    return value
