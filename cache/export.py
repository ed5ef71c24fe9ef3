"""One plain HDF5 file for other tools: h5py, PyTorch, MATLAB or R."""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import h5py
import numpy as np

from ..atomic import write_with
from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .keys import Key
    from .store import FeatureCache

_ROWS_AT_ONCE = 2048


def export_rows(
    cache: FeatureCache,
    output: Path,
    keys: Sequence[Key],
    paths: Sequence[bytes],
    columns: Mapping[str, Sequence[str]],
    attributes: Mapping[str, str],
    progress: Callable[[int], object] = lambda rows: None,
) -> None:
    """Write rows to a plain HDF5 file, which appears whole or not at all.

    Parameters
    ----------
    cache
        Where the rows are.
    output
        The file: `features` float32 (n, d), `keys` uint8 (n, 32), `paths` and each of `columns`
        as variable-length bytes (n,).
    keys, paths
        One row each.
    columns
        More columns of strings, such as `labels`.
    attributes
        Attributes of the file.
    progress
        Called with the number of rows after each piece.

    Raises
    ------
    CacheError
        When the file cannot be written.
    """

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            strings = h5py.string_dtype("utf-8")
            file.create_dataset(
                "keys", data=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
            )
            file.create_dataset("paths", data=np.array(paths, object), dtype=strings)
            for name, values in columns.items():
                encoded = np.array([os.fsencode(value) for value in values], object)
                file.create_dataset(name, data=encoded, dtype=strings)
            file.attrs.update(attributes)
            features = None
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                rows = cache.rows(keys[start : start + _ROWS_AT_ONCE])
                if features is None:
                    features = file.create_dataset("features", (len(keys), rows.shape[1]), "f4")
                features[start : start + len(rows)] = rows
                progress(len(rows))

    try:
        write_with(output, fill)
    except CacheError:
        raise
    except OSError as error:
        raise CacheError(f"{output} cannot be written: {error.strerror or error}") from error
