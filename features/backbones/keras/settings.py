"""The settings of a layer in a file: plain values, and functions of Keras's own by their names."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MAX_WHOLE = 1 << 31
_MAX_TEXT = 500
_MAX_VALUES = 4096
_IS_KERAS = re.compile(r"(tf_)?keras(\.\w+)*|builtins")

# fmt: off
ACTIVATIONS = frozenset((
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6",
    "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
    "squareplus", "swish", "tanh", "tanh_shrink",
))
# fmt: on
_ACTIVATION_LAYERS = {
    "ELU": ("alpha",),
    "LeakyReLU": ("negative_slope", "alpha"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Softmax": ("axis",),
}
# What begins weights that are read from the file anyway, or acts in training alone.
# fmt: off
_BEGINNINGS = frozenset((
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "OrthogonalInitializer", "RandomNormal", "RandomUniform", "STFT", "STFTInitializer",
    "TruncatedNormal", "VarianceScaling", "Zeros", "L1", "L2", "L1L2", "OrthogonalRegularizer",
    "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm",
))
# fmt: on
_OF_TENSORFLOW = "tensorflow.python.ops.init_ops_v2"
"""Where some networks of `keras.applications` in Keras 2 have their initializers from."""
_TRAINING_ALONE = ("_initializer", "_regularizer", "_constraint")
# fmt: off
_DTYPES = frozenset((
    "float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16",
))
# fmt: on
_POLICIES = ("DTypePolicy", "Policy", "FloatDTypePolicy")


class Activation(NamedTuple):
    """A function that is applied to what a layer computes."""

    name: str
    """As in `ACTIVATIONS`, or the class of a layer."""
    settings: tuple[tuple[str, Any], ...] | None = None
    """Of the layer; None for a function."""


HARD_SIGMOID = Activation("hard_sigmoid")
HARD_SIGMOID_OF_KERAS_2 = Activation("hard_sigmoid of Keras 2")
"""Whose middle is steeper: x / 5 + 1 / 2, where it is x / 6 + 1 / 2 in Keras 3."""


def read_settings(
    given: Mapping[str, Any], known: Collection[str], ignored: Collection[str], where: str
) -> dict[str, Any]:
    """The settings that decide what a layer computes; the others are only checked.

    Parameters
    ----------
    given
        As the file has them.
    known
        Names of those that are returned.
    ignored
        Names of those that may be there, with any plain value.
    where
        Which layer, for messages.

    Raises
    ------
    ValueError
        When one is not known, or of a value that it never has.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            if name == "dtype":
                _require_dtype(value)
            elif name == "activation" and name in known:
                found[name] = activation_of(value)
            elif name.endswith(_TRAINING_ALONE):
                _require_known_object(value)
            elif name in known:
                found[name] = plain(value)
            elif name in ignored:
                plain(value)
            elif value not in (None, False):
                raise ValueError("is not known")
        except ValueError as error:
            raise ValueError(f"{where}: its setting {name[:60]!r} {error}") from error
    return found


def require_keras(given: Mapping[str, Any], where: str) -> None:
    """Raise ValueError where a description of an object says that it is not Keras's own."""
    module, registered = given.get("module"), given.get("registered_name")
    if module is not None and not (isinstance(module, str) and _IS_KERAS.fullmatch(module)):
        raise ValueError(f"{where} is of the module {str(module)[:80]!r}, which is not Keras's")
    if registered not in (None, given.get("class_name"), "function", given.get("config")):
        raise ValueError(f"{where} is registered as {str(registered)[:80]!r}: not Keras's own")


def plain(value: Any) -> Any:
    """A value of numbers, names and lists, each of bounded size.

    Raises
    ------
    ValueError
        When it is anything else.
    """
    n_values = 0

    def checked(value: Any, depth: int) -> Any:
        nonlocal n_values
        n_values += 1
        if n_values > _MAX_VALUES:
            raise ValueError(f"has more than {_MAX_VALUES:,} values")
        if isinstance(value, dict):
            value = _array(value)
        if isinstance(value, list):
            if depth > 6:
                raise ValueError("is nested too deeply")
            return [checked(each, depth + 1) for each in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and len(value) <= _MAX_TEXT:
            return value
        if isinstance(value, int) and abs(value) <= _MAX_WHOLE:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise ValueError(f"is {_brief(value)}, which is out of bounds")

    return checked(value, 0)


def _array(value: dict[str, Any]) -> Any:
    """The numbers in what Keras writes for an array."""
    inner = value.get("config")
    if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(inner, dict):
        return inner.get("value")
    if value.get("class_name") == "TensorShape" and isinstance(value.get("items"), list):
        return value["items"]
    if value.get("type") == "ndarray" or value.get("class_name") == "__tuple__":
        return value.get("value", value.get("items"))
    raise ValueError(f"holds an object: {_brief(value.get('class_name', value))}")


def activation_of(value: Any) -> Activation | None:
    """The function that is applied to what a layer computes."""
    if value is None:
        return None
    if isinstance(value, dict):
        require_keras(value, "its function")
        kind, inner = value.get("class_name"), value.get("config")
        if kind == "function" or (_is_one_of(kind, ACTIVATIONS) and not inner):
            return activation_of(inner if kind == "function" else kind)
        if _is_one_of(kind, _ACTIVATION_LAYERS) and isinstance(inner, dict):
            known = _ACTIVATION_LAYERS[kind]
            settings = read_settings(inner, known, ("name", "trainable"), kind)
            return Activation(kind, tuple(renamed(kind, settings).items()))
        raise ValueError(f"holds code or an object: {_brief(kind)}")
    if _is_one_of(value, ACTIVATIONS):
        return Activation("silu" if value == "swish" else value)
    raise ValueError(f"is {_brief(value)}, which is not an activation of Keras's own")


def renamed(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as Keras 3 names them."""
    if kind == "LeakyReLU" and "alpha" in settings:
        settings["negative_slope"] = settings.pop("alpha")
    if kind == "BatchNormalization" and isinstance(settings.get("axis"), list):
        (settings["axis"],) = settings["axis"]
    return settings


def _require_dtype(value: Any) -> None:
    if isinstance(value, dict):
        require_keras(value, "its type")
        inner = value.get("config")
        if value.get("class_name") not in _POLICIES or not isinstance(inner, dict):
            raise ValueError(f"is {_brief(value.get('class_name'))}, which is not supported")
        value = inner.get("name")
    if value is not None and not _is_one_of(value, _DTYPES):
        raise ValueError(f"is {_brief(value)}, which is not supported")


def _require_known_object(value: Any) -> None:
    if value is None:
        return
    if isinstance(value, str):
        if "".join(value.split("_")).lower() not in _PLAIN_BEGINNINGS:
            raise ValueError(f"is {_brief(value)}, which is not Keras's own")
        return
    if not isinstance(value, dict):
        raise ValueError(f"is {_brief(value)}")
    if value.get("module") != _OF_TENSORFLOW:
        require_keras(value, "it")
    if not _is_one_of(value.get("class_name"), _BEGINNINGS):
        raise ValueError(f"is {_brief(value.get('class_name'))}, which is not Keras's own")
    inner = value.get("config")
    if isinstance(inner, dict):
        for each in inner.values():
            plain(each)


_PLAIN_BEGINNINGS = {name.lower() for name in _BEGINNINGS}


def _is_one_of(value: Any, known: Collection[str]) -> TypeGuard[str]:
    return isinstance(value, str) and value in known


def _brief(value: Any) -> str:
    return repr(value)[:80]
