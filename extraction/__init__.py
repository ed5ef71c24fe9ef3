"""Filling the cache: what is missing is read, decoded, computed and committed.

May import ``datasets``, ``features``, ``cache``, ``classifier`` and below. A module is imported
when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .extract_dataset import extract
    from .feature_table import FeatureTable

__all__ = ["FeatureTable", "extract"]

__getattr__, __dir__ = lazy_names(
    __name__, {"extract_dataset": ("extract",), "feature_table": ("FeatureTable",)}
)
