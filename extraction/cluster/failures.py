"""The error that a driver raises for what its workers have met."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ... import errors
from ...errors import EngineError
from ..network import CannotRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .messages import Failed

_OF_ONE_REASON = (
    errors.UsageError,
    errors.CacheError,
    errors.CacheUnreachableError,
    errors.LibraryNotFoundError,
    errors.WeightsNotFoundError,
)


def error_of(failures: Sequence[Failed]) -> Exception:
    """The error that most of some workers have met; that none can run has the reasons of all."""
    counts = Counter((failure.kind, failure.reason) for failure in failures)
    (kind, reason), _ = counts.most_common(1)[0]
    if kind == CannotRunError.__name__:
        error = CannotRunError(reason)
        error.attempts = list(
            dict.fromkeys(attempt for failure in failures for attempt in failure.attempts)
        )
        return error
    of_kind = getattr(errors, kind, EngineError)
    return (of_kind if of_kind in _OF_ONE_REASON else EngineError)(reason)
