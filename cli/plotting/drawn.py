"""What a case of `bottlebank plot` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...extraction.relabelling import Relabelled


class Drawn(NamedTuple):
    """What was drawn."""

    n_images: int
    caption: str
    rejected: Sequence[tuple[str, str]] = ()
    """Path and reason."""
    measured: Mapping[str, float | None] | None = None
    """Of a map: how far it can be trusted."""
    changes: Relabelled | None = None
    """What a labels file has changed."""
