"""The methods and the baselines, by name; importing this loads no library."""

from __future__ import annotations

from typing import Final

GRADCAM, INTEGRATED, OCCLUSION = "gradcam", "integrated-gradients", "occlusion"
METHODS: Final = (GRADCAM, INTEGRATED, OCCLUSION)
GREY, MEAN, BLACK, BLURRED = "grey", "mean", "black", "blurred"
BASELINES: Final = (GREY, MEAN, BLACK, BLURRED)
"""What stands for nothing to be seen. Grey is the default: it differs from both black and white
things, which a black baseline does not, and it is near the middle of what networks are trained on,
where most of them have their zero."""
LOG_ODDS, PROBABILITY = "log-odds", "probability"
SCORES: Final = (LOG_ODDS, PROBABILITY)
"""Whose fall occlusion shows. The log-odds fall with all that speaks for the class; the probability
hardly, before the answer changes."""
