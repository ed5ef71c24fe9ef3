"""What a person has: folders and CSV files of images, their splits and near-duplicates.

May import the root files and ``untrusted``. Images are named here, never opened.
"""

from .dataset import Dataset, as_dataset, load_dataset

__all__ = ["Dataset", "as_dataset", "load_dataset"]
