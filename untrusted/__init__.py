"""Reading what others wrote, files and addresses: what is damaged, hostile or odd is one error.

Each reader takes exact names, types and shapes, checks sizes before it reads, and raises
ValueError or OSError for everything else. May import: ``errors``. h5py is imported in ``hdf5``
and ``hdf5_tree`` alone.
"""
