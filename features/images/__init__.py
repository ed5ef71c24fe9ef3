"""From the bytes of an image file to the pixels of a network's input: the one decoder."""
