"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .feature_maps import features
    from .opening import open_for_extractor, open_for_head
    from .painting import Style, style

__all__ = ["Style", "features", "open_for_extractor", "open_for_head", "style"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "feature_maps": ("features",),
        "opening": ("open_for_extractor", "open_for_head"),
        "painting": ("Style", "style"),
    },
)
