"""Filling the cache: what is missing is read, decoded, computed and committed.

`run` puts the parts together, which do not know of it or, but for the types that they hand on, of
one another:

- `plan`: which images of a dataset have to be read, and which contents are new;
- `workers`: hands groups of files to processes, each a `worker`, that read, hash and decode them
  (`worker_process` is what runs there); `careful_worker` looks at what was in the hands of one that
  died, image by image;
- `network`: turns pixels into transfer values, in an engine that starts when it is first needed;
- `ledger`: takes the lock, commits rows and rejections, remembers the contents of files;
- `cluster`: the same on many machines.

`in_parts` does the same for who needs no table, with `parts`, in which a dataset of
any size is gone through; `earlier` says what the cache has of earlier extractions.

May import ``datasets``, ``features``, ``cache``, ``classifier`` and below. A module is imported
when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .cluster.settings import Cluster
    from .extract_dataset import extract
    from .feature_table import FeatureTable
    from .several_extractors import extract_each, names_of

__all__ = ["Cluster", "FeatureTable", "extract", "extract_each", "names_of"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "cluster.settings": ("Cluster",),
        "extract_dataset": ("extract",),
        "several_extractors": ("extract_each", "names_of"),
        "feature_table": ("FeatureTable",),
    },
)
