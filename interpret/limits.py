"""What options may ask for: read by help texts, without importing a library."""

LEAST_PX, MOST_PX = 64, 1536
"""Of the longer side of a painted picture."""
MOST_STRENGTH = 1000
"""Of a style, exclusive."""
MOST_STEPS = 10_000
"""Of painting."""
PREFERRED = ("vgg19", "vgg16")
"""Paint better than other networks; used where their weights are on the machine."""
STEPS_BETWEEN_PREVIEWS = 25
MOST_UNITS = 32
"""Of each layer, in one picture of maps."""
N_IMAGES = 200
"""Photographs that units of inner layers are compared with, unless another number is said."""
