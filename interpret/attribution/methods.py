"""The methods and the baselines, by name; importing this loads no library."""

from __future__ import annotations

from typing import Final

from ...arguments import is_one_of, received
from ...errors import ParameterError

GRADCAM, INTEGRATED, OCCLUSION = "gradcam", "integrated-gradients", "occlusion"
METHODS: Final = (GRADCAM, INTEGRATED, OCCLUSION)
GREY, MEAN, BLACK, BLURRED = "grey", "mean", "black", "blurred"
BASELINES: Final = (GREY, MEAN, BLACK, BLURRED)
"""What stands for nothing to be seen. Grey is the default: it differs from both black and white
things, which a black baseline does not, and it is near the middle of what networks are trained on,
where most of them have their zero."""
LOG_ODDS, PROBABILITY = "log-odds", "probability"
SCORES: Final = (LOG_ODDS, PROBABILITY)
"""Whose fall occlusion shows. The log-odds fall with all that speaks for the class; the probability
hardly, before the answer changes."""


def require_method(name: str, parameter: str = "method") -> str:
    """The name of a method; `parameter` is how who gives it calls it.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    return _required(parameter, name, METHODS)


def require_baseline(name: str) -> str:
    """The name of a baseline.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    return _required("baseline", name, BASELINES)


def require_score(name: str) -> str:
    """The name of a score.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    return _required("score", name, SCORES)


def _required(parameter: str, name: str, known: tuple[str, ...]) -> str:
    if not is_one_of(name, known):
        expected = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ParameterError(parameter, f"is one of {expected}; received {received(name)}")
    return name
