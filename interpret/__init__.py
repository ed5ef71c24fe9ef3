"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .attribution import Saliency, saliency

__all__ = ["Saliency", "saliency"]

__getattr__, __dir__ = lazy_names(__name__, {"attribution": ("Saliency", "saliency")})
