"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .feature_maps import features
    from .maximise import maximise
    from .opening import open_for_extractor, open_for_head

__all__ = ["features", "maximise", "open_for_extractor", "open_for_head"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "feature_maps": ("features",),
        "maximise": ("maximise",),
        "opening": ("open_for_extractor", "open_for_head"),
    },
)
