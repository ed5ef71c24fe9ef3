"""Networks whose last blocks can be trained: where they are cut, and what training is given.

May import what ``backbones`` may; knows none of the networks.
"""
