"""The commands `bottlebank keys`."""
