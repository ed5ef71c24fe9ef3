"""Which parts of an image an answer rests on: three methods, one file each, and `saliency`.

All of them explain the same number, the log-odds of a class. May import `interpret.network` and
`interpret.opening`, and what those may. TensorFlow starts with the methods that follow gradients.
"""

from typing import TYPE_CHECKING

from ...lazy_names import lazy_names

if TYPE_CHECKING:
    from .explainer import Explainer, open_explainer
    from .found import Saliency
    from .of_image import saliency

__all__ = ["Explainer", "Saliency", "open_explainer", "saliency"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "explainer": ("Explainer", "open_explainer"),
        "found": ("Saliency",),
        "of_image": ("saliency",),
    },
)
