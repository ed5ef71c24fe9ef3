"""Pictures of a dataset: samples, balance, sizes, units that tell classes apart, two images.

May import what ``viz`` may. Everything arrives as arrays and plain values.
"""
