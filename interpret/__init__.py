"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .painting import Style, style

__all__ = ["Style", "style"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "painting": ("Style", "style"),
    },
)
