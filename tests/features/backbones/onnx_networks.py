"""Small networks with fixed random weights as ONNX models: a CNN and a vision transformer."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIZE_PX = 32
WIDTH = 16
N_TOKENS = 17
"""Patches of 8 px, and a class token."""


class _Builder:
    def __init__(self, dtype=np.float32):
        self.rng = np.random.default_rng(0)
        self.dtype = dtype
        self.nodes, self.initializers = [], []

    def array(self, name, values):
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, name, *shape):
        scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) == 4 else shape[0])
        return self.array(name, (self.rng.normal(size=shape) * scale).astype(self.dtype))

    def ints(self, name, *values):
        return self.array(name, np.array(values, np.int64))

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}_node", **attributes))
        return output

    def model(self, picture, outputs, *, batch="n", opset=17, data_type=None):
        data_type = data_type or helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        graph = helper.make_graph(
            self.nodes,
            "toy",
            [helper.make_tensor_value_info("pixel_values", data_type, [batch, *picture])],
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)), None
                )
                for name in outputs
            ],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        return model


def cnn(
    *,
    channels_last=False,
    classes=0,
    has_bias=True,
    batch="n",
    dtype=np.float32,
    size_px=SIZE_PX,
    opset=17,
    output="output",
):
    """Two convolutions and an average; with `classes`, a layer that gives these, and softmax."""
    b = _Builder(dtype)
    values = "pixel_values"
    if channels_last:
        values = b.add("Transpose", [values], "nchw", perm=[0, 3, 1, 2])
    for number, (n_in, n_out) in enumerate(((3, 8), (8, WIDTH))):
        kernel, bias = b.weights(f"k{number}", n_out, n_in, 3, 3), b.weights(f"b{number}", n_out)
        strides = {"pads": [1, 1, 1, 1], "strides": [2, 2]}
        values = b.add("Conv", [values, kernel, bias], f"conv{number}", **strides)
        values = b.add("Relu", [values], f"relu{number}")
    pooled = b.add("GlobalAveragePool", [values], "pooled")
    if batch == 1:  # as exporters with a fixed batch write it
        values = b.add("Reshape", [pooled, b.ints("flat", 1, WIDTH)], "flat_values")
    else:
        values = b.add("Flatten", [pooled], "features" if not classes else "flat_values")
    if classes:
        extra = [b.weights("cb", classes)] if has_bias else []
        logits = b.add("Gemm", [values, b.weights("cw", WIDTH, classes), *extra], "dense")
        b.add("Softmax" if output == "probabilities" else "Identity", [logits], output)
        outputs = [output]
    else:
        outputs = [values]
    picture = [size_px, size_px, 3] if channels_last else [3, size_px, size_px]
    return b.model(picture, outputs, batch=batch, opset=opset)


def vit(*, size_px=SIZE_PX, outputs=("last_hidden_state",)):
    """A vision transformer of two blocks, batches of any size, as transformers exports it."""
    b = _Builder()
    kernel = b.weights("patch", WIDTH, 3, 8, 8)
    b.add("Conv", ["pixel_values", kernel], "patches", strides=[8, 8])
    b.add("Shape", ["patches"], "shape")
    b.add("Gather", ["shape", b.array("zero", np.array(0, np.int64))], "n")
    b.add("Unsqueeze", ["n", b.ints("axis0", 0)], "n1")
    b.add("Concat", ["n1", b.ints("rest", WIDTH, -1)], "flat_shape", axis=0)
    b.add("Reshape", ["patches", "flat_shape"], "flat")
    b.add("Transpose", ["flat"], "tokens", perm=[0, 2, 1])
    b.add("Concat", ["n1", b.ints("one_cls", 1, WIDTH)], "cls_shape", axis=0)
    b.add("Expand", [b.weights("cls", 1, 1, WIDTH), "cls_shape"], "cls_tokens")
    b.add("Concat", ["cls_tokens", "tokens"], "with_cls", axis=1)
    values = b.add("Add", ["with_cls", b.weights("position", 1, N_TOKENS, WIDTH)], "embedded")
    heads, each = 2, WIDTH // 2
    b.ints("to_heads", 0, N_TOKENS, heads, each)
    b.ints("from_heads", 0, N_TOKENS, WIDTH)
    b.array("root", np.array(np.sqrt(each), np.float32))
    for block in range(2):

        def at(name, block=block):
            return f"/blocks.{block}/{name}"

        def norm(values, name):
            ones = b.array(f"{name}_g", np.ones(WIDTH, np.float32))
            return b.add(
                "LayerNormalization", [values, ones, b.weights(f"{name}_b", WIDTH)], name, axis=-1
            )

        normed = norm(values, at("norm1"))
        split = {}
        for part, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            b.add("MatMul", [normed, b.weights(at(f"w{part}"), WIDTH, WIDTH)], at(part))
            b.add("Reshape", [at(part), "to_heads"], at(f"{part}4"))
            split[part] = b.add("Transpose", [at(f"{part}4")], at(f"{part}t"), perm=perm)
        b.add("MatMul", [split["q"], split["k"]], at("scores"))
        b.add("Div", [at("scores"), "root"], at("scaled"))
        b.add("Softmax", [at("scaled")], at("attention"), axis=-1)
        b.add("MatMul", [at("attention"), split["v"]], at("mixed"))
        b.add("Transpose", [at("mixed")], at("mixed_t"), perm=[0, 2, 1, 3])
        b.add("Reshape", [at("mixed_t"), "from_heads"], at("joined"))
        values = b.add("Add", [values, at("joined")], at("residual"))
        b.add("MatMul", [norm(values, at("norm2")), b.weights(at("up"), WIDTH, 32)], at("wide"))
        b.add("Relu", [at("wide")], at("active"))
        b.add("MatMul", [at("active"), b.weights(at("down"), 32, WIDTH)], at("narrow"))
        values = b.add("Add", [values, at("narrow")], at("output"))
    norm(values, "last_hidden_state")
    b.add("Gather", ["last_hidden_state", "zero"], "first", axis=1)
    b.add("MatMul", ["first", b.weights("pool", WIDTH, WIDTH)], "pool_dense")
    b.add("Tanh", ["pool_dense"], "pooler_output")
    return b.model([3, size_px, size_px], outputs)


def save(model, path, *, external=False):
    """Write a model; with `external`, its data beside it."""
    if external:
        onnx.save(
            model,
            path,
            save_as_external_data=True,
            location=f"{path.name}_data",
            size_threshold=0,
            convert_attribute=False,
        )
    else:
        onnx.save(model, path)
    return path


def patches(width, *, patch_px=14, n_more=1, size_px="px", is_transposed=False):
    """Only what comes before the blocks of a transformer: patches behind `n_more` tokens."""
    b = _Builder()
    kernel = b.weights("patch", width, 3, patch_px, patch_px)
    b.add("Conv", ["pixel_values", kernel], "map", strides=[patch_px] * 2)
    b.add("Reshape", ["map", b.ints("flat_shape", 0, width, -1)], "flat")
    output = "flat"
    if not is_transposed:
        b.add("Transpose", ["flat"], "tokens", perm=[0, 2, 1])
        output = "tokens"
    if n_more:
        more = b.array("more", np.zeros((1, n_more, width), np.float32))
        b.add("Mul", ["tokens", b.array("nothing", np.float32(0))], "nothing_of")
        b.add("ReduceMean", ["nothing_of"], "of_images", axes=[1], keepdims=1)
        b.add("Add", ["of_images", more], "before")
        output = b.add("Concat", ["before", "tokens"], "last_hidden_state", axis=1)
    return b.model([3, size_px, size_px], [output])
