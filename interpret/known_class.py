"""Classes that a head has, and a message for those that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arguments import is_one_of, received
from ..errors import UsageError, in_brief
from ..features.backbones.described import hint_at

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_class(classes: Sequence[str], name: object) -> None:
    """Refuse what is no class of a head.

    Raises
    ------
    UsageError
        With the names that are nearest.
    """
    if not is_one_of(name, classes):
        near = hint_at(name, classes) if isinstance(name, str) else ""
        hint = near.rstrip(" ;") or f"it has {in_brief(', '.join(classes), 200)}"
        raise UsageError(f"the head has no class {received(name)}: {hint}")
