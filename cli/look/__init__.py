"""The commands `bottlebank look`."""
