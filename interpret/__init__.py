"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine. A module is imported when one of its
names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .attacks.adversarial import Adversarial, adversarial
    from .attacks.robustness import Robustness, robustness
    from .attribution import Saliency, saliency
    from .feature_maps import features
    from .maximised_pictures import maximise
    from .opening import open_for_extractor, open_for_head
    from .painting import Style, style

__all__ = [
    "Adversarial",
    "Robustness",
    "Saliency",
    "Style",
    "adversarial",
    "features",
    "maximise",
    "open_for_extractor",
    "open_for_head",
    "robustness",
    "saliency",
    "style",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "attacks.adversarial": ("Adversarial", "adversarial"),
        "attacks.robustness": ("Robustness", "robustness"),
        "attribution": ("Saliency", "saliency"),
        "feature_maps": ("features",),
        "maximised_pictures": ("maximise",),
        "opening": ("open_for_extractor", "open_for_head"),
        "painting": ("Style", "style"),
    },
)
