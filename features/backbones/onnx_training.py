"""What is left of training in an ONNX model: its output depends on chance, or on other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import NodeProto, TensorProto, numpy_helper

from .onnx_checks import STANDARD, inner_graphs, nodes_within, opset_of, tensors_of
from .onnx_layers import all_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onnx import ModelProto

# Versions of the operators since which an attribute, or an input, says that they train.
_NORMALIZATION_SAYS_IT, _DROPOUT_SAYS_IT = 14, 12
_SAME_VALUE = ("Identity", "Cast")
_MAX_STEPS = 16
_REMEDY = "export it for inference, in PyTorch after model.eval() and without training="


def require_inference(model: ModelProto) -> None:
    """Refuse operators that compute as in training.

    Parameters
    ----------
    model
        Its functions written out.

    Raises
    ------
    ValueError
        When batches are normalized by their own mean and deviation, or numbers are left out at
        random.
    """
    opset = opset_of(model)
    makers = {name: node for node in nodes_within(model) for name in node.output}
    tensors = {tensor.name: tensor for tensor in tensors_of(model)}
    for node in nodes_within(model):
        if node.domain not in STANDARD:
            continue
        if node.op_type == "BatchNormalization" and _normalizes_by_batch(node, opset):
            raise ValueError(
                f"its BatchNormalization works as in training, so that features would depend on "
                f"the other images: {_REMEDY}"
            )
        if node.op_type == "Dropout" and opset >= _DROPOUT_SAYS_IT and len(node.input) > 2:
            says = node.input[2]
            if says and not _is_false(says, makers, tensors):
                raise ValueError(
                    f"its Dropout works as in training, so that its output would not be "
                    f"repeatable: {_REMEDY}"
                )


def _normalizes_by_batch(node: NodeProto, opset: int) -> bool:
    if opset < _NORMALIZATION_SAYS_IT:
        return sum(map(bool, node.output)) > 1  # the mean and deviation of the batch, too
    return any(each.name == "training_mode" and each.i for each in node.attribute)


def _is_false(
    name: str, makers: Mapping[str, NodeProto], tensors: Mapping[str, TensorProto]
) -> bool:
    """Whether a value is a constant of the file, and false."""
    for _ in range(_MAX_STEPS):
        tensor, node = tensors.get(name), makers.get(name)
        if tensor is None and node is not None and node.op_type == "Constant":
            tensor = next((each.t for each in node.attribute if each.name == "value"), None)
        if tensor is not None:
            return tensor.data_type == TensorProto.BOOL and not numpy_helper.to_array(tensor).any()
        if node is None or node.op_type not in _SAME_VALUE:
            return False
        name = node.input[0]
    return False


def sees_whole_batch(nodes: Iterable[NodeProto], picture: str) -> bool:
    """Whether numbers of one image may decide about those of another in the same batch.

    It is so where 8 bits are spread over the range of all images, and where what is computed
    depends on a condition. What depends on other images in the numbers themselves is found by
    running the network: see `engines.batches`.

    Parameters
    ----------
    nodes
        Of the model, in the order of computation.
    picture
        The input that takes pictures.
    """
    of_picture = {picture}
    for node in nodes:
        if node.op_type in ("Shape", "Size") or not of_picture.intersection(all_inputs(node)):
            continue
        within = [node.op_type, *(each.op_type for g in inner_graphs(node) for each in g.node)]
        decides = node.op_type == "If" and node.input[0] in of_picture
        if decides or "DynamicQuantizeLinear" in within:
            return True
        of_picture.update(node.output)
    return False
