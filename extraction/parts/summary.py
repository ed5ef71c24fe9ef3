"""What an extraction in parts returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...features import Recipe
    from ..feature_table import Report
    from .rejections import Rejections


@dataclass(frozen=True)
class Summary:
    """As a `FeatureTable`, without its rows."""

    n_rows: int
    """Images that have rows, each as often as the dataset names it."""
    rejected: Rejections
    """(path, reason) of every image that has none."""
    report: Report
    recipe: Recipe

    def __len__(self) -> int:
        return self.n_rows

    def as_json(self) -> dict[str, Any]:
        """As `FeatureTable.as_json`, without the rejected images, which may be many."""
        return {**vars(self.report), "recipe": asdict(self.recipe)}

    def rejections_as_json(self) -> Iterator[dict[str, str]]:
        """These, one after another."""
        return ({"path": path, "reason": reason} for path, reason in self.rejected)
