"""Checking the parameters of the heads: each error names the parameter and what it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..arguments import is_one_of, received, require_number, require_whole
from ..errors import ParameterError, UsageError

MAX_HIDDEN_LAYERS = 23
"""As many as a head file holds beside the last layer."""
OUTPUTS = ("softmax", "sigmoid")


class SigmoidError(ParameterError):
    """One sigmoid, and more than two classes."""

    def __init__(self, n_classes: int) -> None:
        super().__init__(
            "output",
            f"is 'sigmoid', which separates two classes; there are {n_classes:,}: choose softmax",
        )


def require_flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(name, f"is {received(value)}; expected True or False")
    return bool(value)


def require_one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """One of the names that are known."""
    if not is_one_of(value, [*known]):
        raise ParameterError(name, f"is {received(value)}; expected {', '.join(map(repr, known))}")
    return value


def require_share(name: str, value: Any) -> float:
    """A number above 0 and below 1."""
    return require_number(name, value, "a number above 0 and below 1", 0, 1)


def require_strengths(value: Any) -> list[float]:
    """One positive number, or several; ascending and distinct."""
    wanted = "a positive number, or several in a list"
    several = [value] if isinstance(value, Real) else value
    if isinstance(several, str | bytes | Mapping) or not isinstance(several, Iterable):
        raise UsageError(f"strengths is {received(value)}; expected {wanted}")
    numbers = list(several)
    if not numbers:
        raise UsageError(f"strengths is {received(value)}, which is empty; expected {wanted}")
    for number in numbers:
        if (
            not isinstance(number, Real)
            or isinstance(number, bool)
            or not 0 < float(number) < math.inf
        ):
            raise UsageError(f"strengths holds {received(number)}; expected {wanted}")
    return sorted({float(number) for number in numbers})


def require_hidden(value: Any) -> tuple[int, ...]:
    """The units of each hidden layer: one whole number, several, or none."""
    several = [value] if isinstance(value, Integral) else value
    if isinstance(several, str | bytes | Mapping) or not isinstance(several, Iterable):
        raise ParameterError(
            "hidden",
            f"is {received(value)}; expected the units of each hidden layer, such as (256,)",
        )
    units = tuple(require_whole("a number in hidden", number, 1, 2**20) for number in several)
    if len(units) > MAX_HIDDEN_LAYERS:
        raise ParameterError(
            "hidden",
            f"has {len(units)} layers; expected at most {MAX_HIDDEN_LAYERS}, as many as a head "
            f"file holds",
        )
    return units


def require_batch_size(value: Any) -> int | str:
    """``auto``, or a whole number of at least 1."""
    return value if is_one_of(value, ["auto"]) else require_whole("batch_size", value, 1)


NETWORK: dict[str, Callable[[Any], Any]] = {
    "hidden": require_hidden,
    "batch_norm": partial(require_flag, "batch_norm"),
    "dropout": lambda value: require_number(
        "dropout", value, "at least 0 and below 1", -math.ulp(0), 1
    ),
    "output": lambda value: require_one_of("output", value, OUTPUTS),
    "learning_rate": lambda value: require_number(
        "learning_rate", value, "a positive number", 0, math.inf
    ),
    "batch_size": require_batch_size,
    "max_epochs": lambda value: require_whole("max_epochs", value, 1),
}
"""The settings that shape and train a network, and what checks them."""


def require_class_weight(value: Any) -> None:
    """None, ``balanced``, or a dict of classes and positive numbers."""
    if value is None or (isinstance(value, str) and value == "balanced"):
        return
    if not isinstance(value, Mapping):
        raise UsageError(
            f"class_weight is {received(value)}; expected None, 'balanced' or a dict of classes "
            f"and their weights, such as {{'cat': 2.0}}"
        )
    for name, weight in value.items():
        named = f"class_weight[{received(name)}]"
        require_number(named, weight, "a positive number", 0, math.inf)


def class_weights(
    class_weight: Any,
    classes: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """What a row of each class weighs, besides its own weight.

    Parameters
    ----------
    class_weight
        None: all weigh 1. ``balanced``: by the inverse of the frequency, so that each class weighs
        as much as any other. Or a dict of class names and positive numbers; a class that is not in
        it weighs 1, as in scikit-learn.
    classes
        (k,): names of the classes.
    codes
        int, (n,): the class of each row, 0 to k - 1.
    weights
        float, (n,): the weight of each row, by which ``balanced`` counts; None: 1.

    Returns
    -------
    ndarray
        float64, (k,).

    Raises
    ------
    UsageError
        When it is something else, names a class that no row has, or holds what is not a positive
        number.
    """
    require_class_weight(class_weight)
    if class_weight is None:
        return np.ones(len(classes))
    if class_weight == "balanced":
        counts = np.bincount(codes, weights, minlength=len(classes))
        return counts.sum() / (len(classes) * counts)
    names = classes.tolist()
    strangers = [name for name in class_weight if name not in names]
    if strangers:
        raise UsageError(
            f"class_weight names {', '.join(map(repr, strangers[:5]))}, which is not a class; the "
            f"classes are {', '.join(map(repr, names[:10]))}"
            f"{' and others' if len(names) > 10 else ''}"
        )
    return np.array([float(class_weight.get(name, 1)) for name in names])
