"""Reading files that others wrote: damaged, hostile or only odd, they end in one error.

Each reader takes exact names, types and shapes, checks sizes before it reads, and raises
ValueError or OSError for everything else. May import: nothing. h5py is imported in ``hdf5`` alone.
"""
