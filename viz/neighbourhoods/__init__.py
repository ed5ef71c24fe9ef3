"""Who lies near whom: nearest images, how far maps keep them, and new images beside them.

May import NumPy, SciPy and scikit-learn, and nothing else of ``viz``. Arrays in, arrays out.
"""
