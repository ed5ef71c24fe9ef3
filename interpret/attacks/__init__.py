"""Small changes that have a head say otherwise, and how robust it is against them.

Found by TensorFlow's gradients, verified by a predictor from PNG files.
"""
