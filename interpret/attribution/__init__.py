"""Which parts of an image an answer rests on: three methods, one file each, and `saliency`.

All of them explain the log-odds of a class; occlusion, where that is asked for, its probability.
May import `interpret.network` and `interpret.opening`, and what those may. TensorFlow starts with
the methods that follow gradients.
"""

from typing import TYPE_CHECKING

from ...lazy_names import lazy_names

if TYPE_CHECKING:
    from .explainer import Explainer
    from .found import Saliency
    from .of_image import saliency
    from .opening import open_explainer

__all__ = ["Explainer", "Saliency", "open_explainer", "saliency"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "explainer": ("Explainer",),
        "found": ("Saliency",),
        "of_image": ("saliency",),
        "opening": ("open_explainer",),
    },
)
