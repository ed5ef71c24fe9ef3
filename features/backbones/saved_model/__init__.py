"""A network in a folder as TensorFlow exports them, a SavedModel.

TensorFlow never loads the folder, which would run what it says. Its structure is read here, with
limits, and only operators that compute numbers from numbers are known. What is written of it is one
graph of constants, which has nothing else of the folder in it.
"""
