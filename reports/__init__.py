"""Where results meet pictures: maps, the transfer values of an image, the report of an evaluation.

May import ``training``, ``viz`` and below. A module is imported when one of its names is first
used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .dataset_map import plot
    from .evaluation_report import write_report

__all__ = ["plot", "write_report"]

__getattr__, __dir__ = lazy_names(
    __name__, {"dataset_map": ("plot",), "evaluation_report": ("write_report",)}
)
