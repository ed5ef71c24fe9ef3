"""What a dataset looks like: photographs, balance, sizes, units that tell classes apart.

May import what ``reports`` may. Samples, balance and sizes need no transfer values.
"""
