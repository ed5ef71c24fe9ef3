"""Known systems, each built by one command, and a plain network on pixels to be beaten.

`known` is the table of them; `run` does what a line of it says. May import ``reports`` and below.
"""
