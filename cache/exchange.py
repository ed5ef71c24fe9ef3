"""Taking rows out and in: a plain HDF5 file for other tools, and the shards of another cache."""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..atomic import make_folder, write_bytes, write_with
from ..errors import CacheError, DamagedShardError
from .lock import WriterLock
from .shard import Shard
from .store import RECIPE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .folder import CacheFolder
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


def import_shards(target: CacheFolder, source: CacheFolder) -> tuple[int, list[str]]:
    """Copy the shards of another cache that are not here; rows are then found by their content.

    Parameters
    ----------
    target, source
        Two caches. Nothing but the index is changed in `source`.

    Returns
    -------
    (n_shards, damaged)
        How many were copied, and which were left out because they are damaged.

    Raises
    ------
    CacheLockedError
        When another process writes to a variant of `target`.
    CacheError
        When a file cannot be written.
    """
    n_copied, damaged = 0, list[str]()
    for cache in source.all():
        here = target.root / cache.fingerprint / cache.variant
        try:
            make_folder(here.absolute())
            with WriterLock(here):
                for path in cache.shard_paths():
                    # The name holds the hash of the bytes: equal names are equal shards.
                    if not (here / path.name).exists():
                        try:
                            with Shard(path) as shard:
                                shard.verify()
                        except DamagedShardError as error:
                            damaged.append(str(error))
                            continue
                        recipe = here.parent / RECIPE_FILE
                        if not recipe.exists():
                            write_bytes(recipe, (cache.folder.parent / RECIPE_FILE).read_bytes())
                        write_bytes(here / path.name, path.read_bytes())
                        n_copied += 1
        except CacheError:
            raise
        except OSError as error:
            raise CacheError(f"{here} cannot be written: {error.strerror or error}") from error
    return n_copied, damaged


def read_export(file: Path) -> tuple[dict[str, str], Iterator[tuple[Key, bytes, NDArray[Any]]]]:
    """Read a file that `export_rows` wrote.

    Returns
    -------
    (attributes, rows)
        The attributes that are text, and (key, path, float32 (d,)) of every row.

    Raises
    ------
    CacheError
        When it is no such file.
    """
    try:
        with h5py.File(file, "r") as opened:
            attributes = {name: str(value) for name, value in opened.attrs.items()}
            columns: list[Any] = [opened[name] for name in ("features", "keys", "paths")]
            shapes = [column.shape for column in columns]
            n_rows = shapes[0][0]
            if len(shapes[0]) != 2 or shapes[1:] != [(n_rows, 32), (n_rows,)]:
                raise ValueError(f"features, keys and paths have the shapes {shapes}")
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise CacheError(f"{file} is no export of bottlebank ({error})") from error
    return attributes, _rows_of(file, n_rows)


def _rows_of(file: Path, n_rows: int) -> Iterator[tuple[Key, bytes, NDArray[Any]]]:
    with h5py.File(file, "r") as opened:
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            part = np.s_[start : start + _ROWS_AT_ONCE]
            features: Any = opened["features"]
            keys: Any = opened["keys"]
            paths: Any = opened["paths"]
            for key, path, row in zip(keys[part], paths[part], features[part], strict=True):
                yield key.tobytes(), bytes(path), row.astype(np.float32)
