"""A trained head out of the door: pixels in, probabilities out, in the formats of other programs.

May import ``reports`` and below. An exporter is a module and a line of `registry`; it writes, and
is tried, in processes of their own. A module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .exported import Exported, export_head
    from .process import ExportError

__all__ = ["ExportError", "Exported", "export_head"]

__getattr__, __dir__ = lazy_names(
    __name__, {"exported": ("Exported", "export_head"), "process": ("ExportError",)}
)
