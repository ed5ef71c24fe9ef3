"""The head in what callers pass for one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..arguments import type_of
from ..errors import NotAHeadError
from .head import Head
from .head_file import load_head

if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    class HasHead(Protocol):
        """What `train_head` returns, or a predictor."""

        @property
        def head(self) -> Head:
            """The head."""
            ...

    HeadLike: TypeAlias = Head | HasHead | str | os.PathLike[str]
    """A head, something that has one, or a head file."""


def head_in(given: object) -> Head | None:
    """The head that something is, or has as its `head`; None where there is none."""
    found = getattr(given, "head", given)
    return found if isinstance(found, Head) else None


def as_head(given: HeadLike) -> Head:
    """The head that is meant; one in a file is loaded.

    Raises
    ------
    NotAHeadError
        When it is none; with what to do instead.
    HeadFileError
        As `load_head`.
    """
    head = head_in(given)
    if head is not None:
        return head
    if isinstance(given, (str, os.PathLike)):
        return load_head(given)
    remedy = "bb.train_head(table) trains one"
    if hasattr(given, "layers_"):
        remedy = "bb.save_head(…, extractor=…) returns the head of a fitted estimator"
    raise NotAHeadError(
        f"expected a head: what train_head, load_head or save_head returns, or the path of a head "
        f"file; received {type_of(given)}: {remedy}"
    )
