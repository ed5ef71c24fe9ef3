"""The commands `bottlebank cache`."""
