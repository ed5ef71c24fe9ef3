"""The registry: every kind of finding about an image, and what finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import duplicates, label_errors, outliers
from .finding import DUPLICATE, LABEL, OUTLIER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .finding import Finding
    from .label_errors import Suspicions
    from .material import Material

FINDERS: Mapping[str, Callable[[Material, Suspicions], list[Finding]]] = {
    LABEL: label_errors.find,
    DUPLICATE: duplicates.find,
    OUTLIER: outliers.find,
}
"""In the order in which they are reported."""
