"""The operators that a network may have: those that compute numbers from numbers, and no others.

What an operator is not in this list for: it reads or writes files, runs Python, makes random
numbers, changes variables, loops, or holds a program of its own.
"""

from __future__ import annotations

# fmt: off
ELEMENTWISE = frozenset((
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos",
    "Cosh", "Elu", "Erf", "Erfc", "Exp", "Expm1", "FakeQuantWithMinMaxArgs",
    "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "Floor", "Inv",
    "IsFinite", "IsInf", "IsNan", "LRN", "LeakyRelu", "Log", "Log1p", "LogSoftmax",
    "LogicalNot", "MatrixBandPart", "Neg", "OnesLike", "Reciprocal", "Relu",
    "Relu6", "Rint", "Round", "Rsqrt", "Selu", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softmax", "Softplus", "Softsign", "Sqrt", "Square", "Tan", "Tanh", "ZerosLike",
    "ReverseV2", "Cumsum", "Cumprod", "Roll",
))
"""Whose output has the shape of the first input."""
BROADCAST = frozenset((
    "Add", "AddV2", "Atan2", "Div", "DivNoNan", "Equal", "FloorDiv", "FloorMod", "Greater",
    "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "Maximum", "Minimum", "Mod",
    "Mul", "MulNoNan", "NotEqual", "Pow", "RealDiv", "SelectV2", "SquaredDifference", "Sub",
    "TruncateDiv", "TruncateMod", "Xdivy", "Xlogy",
))
"""Whose output has the shape that its inputs are stretched to."""
COMPARISONS = frozenset((
    "All", "Any", "Equal", "Greater", "GreaterEqual", "IsFinite", "IsInf", "IsNan", "Less",
    "LessEqual", "LogicalAnd", "LogicalNot", "LogicalOr", "NotEqual",
))
"""Whose output is yes or no."""
REDUCTIONS = frozenset((
    "All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum",
))
CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2dNative"))
POOLS = frozenset(("AvgPool", "MaxPool"))
MATRICES = frozenset(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul"))
RESIZES = frozenset(("ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"))
NORMALISATIONS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
SHAPED = frozenset((
    "ArgMax", "ArgMin", "BatchToSpaceND", "BiasAdd", "BroadcastArgs", "BroadcastTo", "Cast",
    "ClipByValue", "Concat", "ConcatV2", "Const", "Conv2DBackpropInput", "DepthToSpace", "Einsum",
    "AddN", "EnsureShape", "ExpandDims", "Fill", "Gather", "GatherNd", "GatherV2",
    "InvertPermutation", "MirrorPad", "OneHot", "Pack", "Pad", "PadV2", "Range", "Rank",
    "Reshape", "Select", "Shape", "ShapeN", "Size", "Slice", "SpaceToBatchND", "SpaceToDepth",
    "Split", "SplitV", "Squeeze", "StridedSlice", "Tile", "TopKV2", "Transpose", "Unpack",
))
"""Each with a rule of its own."""
# fmt: on

ALLOWED = (
    ELEMENTWISE
    | BROADCAST
    | REDUCTIONS
    | CONVOLUTIONS
    | POOLS
    | MATRICES
    | RESIZES
    | NORMALISATIONS
    | SHAPED
)
CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
"""Which run a function of the file."""
HANDLES = frozenset(("VarHandleOp", "VariableV2", "Variable"))
"""Which stand for a variable."""
PASSING = frozenset(
    (
        "CheckNumerics",
        "Identity",
        "IdentityN",
        "PlaceholderWithDefault",
        "PreventGradient",
        "ReadVariableOp",
        "Snapshot",
        "StopGradient",
    )
)
"""Which pass on what they take."""
GATHERS_VARIABLE = "ResourceGather"
LEFT_OUT = frozenset(("NoOp", "Assert"))
"""Which compute nothing, and are not part of what is made of a network."""
_KNOWN = (ALLOWED, CALLS, HANDLES, PASSING, LEFT_OUT, (GATHERS_VARIABLE, "Placeholder"))

_OUTPUTS = {
    "TopKV2": ("values", "indices"),
    **dict.fromkeys(
        NORMALISATIONS,
        (
            "y",
            "batch_mean",
            "batch_variance",
            "reserve_space_1",
            "reserve_space_2",
            "reserve_space_3",
        ),
    ),
}
_LOOPS = ("While", "StatelessWhile", "For", "LoopCond", "NextIteration", "Enter", "Exit")
_BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase", "Switch", "Merge")
_AT_RANDOM = (
    "layers that change pictures at random are for training: export the network without them, or "
    "save it as a .keras file, in which they do nothing"
)
_AS_A_FILE = (
    "Keras 3 exports layers behind Resizing or RandomFlip in that way: save the network as a "
    ".keras file, which is computed without training"
)


def output_index(op: str, name: str, index: int) -> int:
    """Which output of an operator is meant by the name of one, and a number within it.

    Raises
    ------
    ValueError
        When it has none of this name.
    """
    names = _OUTPUTS.get(op)
    if names is None:  # it has one output, or one list
        return index
    if name not in names or index:
        raise ValueError(f"it needs the output {name[:80]!r} of {op}, which has none")
    return names.index(name)


def require_known(op: str) -> None:
    """Refuse an operator that may do anything else than compute.

    Raises
    ------
    ValueError
        With the reason.
    """
    if any(op in known for known in _KNOWN):
        return
    shown = repr(op[:80])
    if "Random" in op or op.startswith(("Multinomial", "ParameterizedTruncated", "Rng")):
        raise ValueError(f"it has the operator {shown}: its output would change; {_AT_RANDOM}")
    if op.startswith(("Assign", "Scatter", "ResourceApply", "ResourceScatter")):
        raise ValueError(
            f"it has the operator {shown}, which changes its variables, as in training: "
            f"normalisation by the images of a batch, or changes at random. {_AS_A_FILE}"
        )
    if op in _LOOPS:
        raise ValueError(f"it has the operator {shown}, whose time nothing bounds")
    if op in _BRANCHES:
        raise ValueError(
            f"it has the operator {shown}, which chooses what is computed: export the network for "
            f"use alone, without training"
        )
    if op == "XlaCallModule":
        raise ValueError(
            f"it has the operator {shown}, a program of JAX: export the network as ONNX, or with "
            f"TensorFlow as the backend of Keras"
        )
    raise ValueError(f"it has the operator {shown}, which is not among those of layers")
