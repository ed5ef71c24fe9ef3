"""What rules of shapes read of what an operator takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]


class NotKnownError(Exception):
    """Signal that a shape depends on data."""


class Known(Protocol):
    """As `shapes.Tensor`."""

    @property
    def shape(self) -> Shape | None:
        """None where it depends on data."""
        ...

    @property
    def value(self) -> np.ndarray | None:
        """None where it is not known."""
        ...


def shape_of(tensor: Known) -> Shape:
    """Its shape, or NotKnownError."""
    if tensor.shape is None:
        raise NotKnownError
    return tensor.shape


def value_of(tensor: Known) -> np.ndarray:
    """Its numbers, or NotKnownError."""
    if tensor.value is None:
        raise NotKnownError
    return tensor.value


def sizes_of(tensor: Known) -> list[int]:
    """Its numbers as whole ones."""
    return [int(size) for size in value_of(tensor).ravel()]


def number_of(tensor: Known) -> int:
    """Its only number."""
    [number] = sizes_of(tensor)
    return number
