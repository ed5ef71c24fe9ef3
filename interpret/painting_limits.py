"""What can be painted, and by which networks: read by help texts, without importing a library."""

LEAST_PX, MOST_PX = 64, 1536
"""Of the longer side."""
PREFERRED = ("vgg19", "vgg16")
"""Paint better than other networks; used where their weights are on the machine."""
STEPS_BETWEEN_PREVIEWS = 25
