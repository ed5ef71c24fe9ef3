"""Taking rows out and in: a plain HDF5 file for other tools, and the shards of another cache."""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
import xxhash

from ..atomic import write_with
from ..errors import CacheError, DamagedShardError, in_brief
from ..untrusted.files import is_unlinked, read_bounded
from ..untrusted.hdf5 import PlainFile, named, read_finite
from ..untrusted.json_text import read_json_object
from .shard import Shard, ShardName, digest_of_file
from .store import MAX_RECIPE_BYTES, RECIPE_FILE, is_fingerprint
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .folder import CacheFolder
    from .keys import Key
    from .store import FeatureCache

_ROWS_AT_ONCE = 2048
_BYTES_AT_ONCE = 1 << 24
_MAX_PATH_BYTES = 1 << 15
_COLUMNS = {"features": ("<f4", 2), "keys": ("u1", 2)}
_STRINGS = ("paths", "labels", "split")
_ATTRIBUTES = {"fingerprint", "recipe", "variant"}


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

    if not keys:
        raise CacheError(f"{cache.folder} holds no rows to export")

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


class Described(NamedTuple):
    """What a recipe says of its rows."""

    fingerprint: str
    width: int


class Left(NamedTuple):
    """What `import_shards` brought in, and what it left out."""

    n_shards: int
    left_out: list[str]
    """Why each file or folder was left out."""


def import_shards(
    target: CacheFolder, source: Path, describe: Callable[[Mapping[str, Any]], Described]
) -> Left:
    """Copy the shards of another cache that are not here; rows are then found by their content.

    Nothing in `source` is changed, and its index is not opened. Only regular files in folders of
    its own count, so that no link in it leads elsewhere.

    Parameters
    ----------
    target, source
        The cache, and the folder of another one.
    describe
        What a recipe stands for; ValueError when it is none of this version.

    Raises
    ------
    CacheLockedError
        When another process writes to a variant of `target`.
    CacheError
        When `source` is no cache, or a file cannot be written.
    """
    n_shards, left_out = 0, list[str]()
    recipes = [path for path in _entries(source) if is_fingerprint(path.name)]
    if not recipes:
        raise CacheError(f"{source} is no cache of bottlebank, or an empty one")
    for folder in recipes:
        try:
            recipe, described = _recipe_of(folder, describe)
        except (OSError, ValueError) as error:
            left_out.append(f"{folder}: {in_brief(error)}")
            continue
        for variant in _entries(folder):
            try:
                storage = Variant.parse(variant.name).storage
            except ValueError as error:
                if is_unlinked(variant, stat.S_IFDIR):
                    left_out.append(f"{variant}: {in_brief(error)}")
                continue
            if not is_unlinked(variant, stat.S_IFDIR):
                left_out.append(f"{variant} is not a folder of its own")
                continue
            cache = target.open(described.fingerprint, variant.name)
            shards = [path for path in _entries(variant) if ShardName.parse(path.name)]
            if not any(path.name not in cache.present() for path in shards):
                continue
            with cache.writer(recipe):
                for path in shards:
                    try:
                        n_shards += _copy_shard(path, cache.folder, storage, described.width)
                    except DamagedShardError as error:
                        left_out.append(str(error))
                    except OSError as error:
                        reason = error.strerror or error
                        raise CacheError(f"{cache.folder} cannot be written: {reason}") from error
            cache.refresh()
    return Left(n_shards, left_out)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except NotADirectoryError:
        return []
    except OSError as error:
        raise CacheError(f"{folder} cannot be read: {error.strerror}") from error


def _recipe_of(
    folder: Path, describe: Callable[[Mapping[str, Any]], Described]
) -> tuple[dict[str, Any], Described]:
    file = folder / RECIPE_FILE
    if not is_unlinked(folder, stat.S_IFDIR) or not is_unlinked(file, stat.S_IFREG):
        raise ValueError(f"it has no {RECIPE_FILE} of its own")
    recipe = read_json_object(read_bounded(file, MAX_RECIPE_BYTES), MAX_RECIPE_BYTES)
    described = describe(recipe)
    if described.fingerprint != folder.name:
        raise ValueError(f"its {RECIPE_FILE} has another fingerprint")
    return recipe, described


def _copy_shard(path: Path, folder: Path, storage: str, width: int) -> bool:
    """Copy one shard once all of it is checked; False when it is here already."""
    # The name holds the hash of the bytes: equal names are equal shards.
    if (folder / path.name).exists():
        return False
    if not is_unlinked(path, stat.S_IFREG):
        raise DamagedShardError(f"{path} is not a regular file")
    try:
        with Shard(path) as shard:
            shard.verify()
            layout = shard.layout
            if layout.n_rows and (layout.dtype != storage or layout.width != width):
                raise shard.damage(
                    f"{layout.width} numbers in {layout.dtype}; the recipe and the variant have "
                    f"{width} in {storage}"
                )
    except FileNotFoundError as error:
        raise DamagedShardError(f"{path} was removed meanwhile") from error

    def fill(temporary: Path) -> None:
        shutil.copyfile(path, temporary)
        name = ShardName.parse(path.name)
        if name is None or digest_of_file(temporary) != name.digest:
            raise DamagedShardError(f"{path} was changed while it was copied")

    write_with(folder / path.name, fill)
    return True


class Export:
    """A file that `export_rows` wrote, open for reading; a context manager.

    Raises
    ------
    CacheError
        On opening and on every call, when it holds anything else.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; only metadata is read."""
        self._path = path
        with self._reading():
            self._file = PlainFile(path, [*_COLUMNS, *_STRINGS])
        try:
            with self._reading():
                self._look()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def _look(self) -> None:
        file = self._file
        if not set(_COLUMNS) | {"paths"} <= file.names:
            raise ValueError(f"it holds the arrays {named(file.names)}")
        file.require_attributes(_ATTRIBUTES)
        self._features = file.array("features", *_COLUMNS["features"])
        self._keys = file.array("keys", *_COLUMNS["keys"])
        self._strings = {name: file.strings(name) for name in _STRINGS if name in file.names}
        self.n_rows: int
        self.width: int
        self.n_rows, self.width = self._features.shape
        shapes = {self._keys.shape[:1], *(column.shape for column in self._strings.values())}
        if not self.n_rows or not self.width or self._keys.shape[1] != 32:
            raise ValueError(
                f"features and keys have the shapes {self._features.shape} and {self._keys.shape}"
            )
        if shapes != {(self.n_rows,)}:
            raise ValueError(f"its columns have other lengths than its {self.n_rows} rows")
        self.recipe = read_json_object(file.text("recipe", MAX_RECIPE_BYTES), MAX_RECIPE_BYTES)
        self.fingerprint = file.text("fingerprint", 64).decode()
        self.variant = Variant.parse(file.text("variant", 100).decode()).name
        self._rows_at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // (4 * self.width)))

    def rows(self) -> Iterator[tuple[list[Key], list[bytes], NDArray[np.float32]]]:
        """Keys, paths and features, float32 (m, width), of a few rows at a time."""
        for start in range(0, self.n_rows, self._rows_at_once):
            part = slice(start, start + self._rows_at_once)
            with self._reading():
                features = read_finite(self._features, part)
                paths = [bytes(path) for path in self._strings["paths"][part]]
                if any(len(path) > _MAX_PATH_BYTES for path in paths):
                    raise ValueError(f"a path has more than {_MAX_PATH_BYTES} bytes")
                keys = [key.tobytes() for key in self._keys[part]]
            yield keys, paths, features

    def verify(self) -> None:
        """Read all that is brought in, and equal keys with other values are refused."""
        seen: dict[Key, int] = {}
        for keys, _, features in self.rows():
            for key, row in zip(keys, features, strict=True):
                digest = xxhash.xxh3_64_intdigest(row.data)
                if seen.setdefault(key, digest) != digest:
                    raise CacheError(
                        f"{self._path} is no export of bottlebank (two rows of the image "
                        f"{key.hex()[:12]} differ): export it again"
                    )

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
            raise CacheError(
                f"{self._path} is no export of bottlebank ({in_brief(error)}): "
                f"make one with `bottlebank cache export`"
            ) from error
