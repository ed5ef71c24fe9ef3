"""Taking rows out and in: a plain HDF5 file for other tools, and the shards of another cache.

Such a file is read again in `export_file`.
"""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
import xxhash

from ..atomic_file import write_with
from ..errors import CacheError, DamagedShardError, in_brief
from ..untrusted.files import is_unlinked, open_regular, read_bounded
from ..untrusted.json_text import read_json_object
from .export_file import CHECKSUM, Checksum
from .isolated_reading import damage_of_shards
from .keys import KeyArray
from .shards.shard_name import ShardName
from .store import MAX_RECIPE_BYTES, RECIPE_FILE, is_fingerprint
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .directory import CacheFolder
    from .keys import Key
    from .storage import Storage
    from .store import FeatureCache

_ROWS_AT_ONCE = 2048
_COPIED_AT_ONCE = 1 << 20  # bytes


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
        The file: `features` float32 (n, d), `keys` uint8 (n, 32), where not all are 0 `views`
        uint32 (n,), `paths` and each of `columns` as variable-length bytes (n,).
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

    encoded = {name: [os.fsencode(value) for value in column] for name, column in columns.items()}

    def fill(temporary: Path) -> None:
        checksum = Checksum()
        with h5py.File(temporary, "w") as file:
            contents, views = KeyArray.of(keys)
            file.create_dataset("keys", data=contents)
            checksum.add("keys", contents.data.cast("B"))
            if views.any():
                file.create_dataset("views", data=views)
                checksum.add("views", views.data.cast("B"))
            for name, strings in {"paths": paths, **encoded}.items():
                kind = h5py.string_dtype("utf-8")
                file.create_dataset(name, data=np.array(strings, object), dtype=kind)
                checksum.add_strings(name, strings)
            # Of fixed length: others lie on HDF5's global heap, where damage goes unnoticed.
            file.attrs.update({name: np.bytes_(text.encode()) for name, text in attributes.items()})
            for name, text in attributes.items():
                checksum.add(f"attribute {name}", text.encode())
            features = None
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                rows = cache.rows(keys[start : start + _ROWS_AT_ONCE])
                if features is None:
                    features = file.create_dataset("features", (len(keys), rows.shape[1]), "f4")
                features[start : start + len(rows)] = rows
                checksum.add("features", rows.data.cast("B"))
                progress(len(rows))
            file.attrs[CHECKSUM] = np.uint64(checksum.value())

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_with(output, fill)
    except CacheError:
        raise
    except OSError as error:
        # What HDF5 adds to it is a page of its inner state.
        reason = os.strerror(error.errno) if error.errno else in_brief(error)
        raise CacheError(f"{output} cannot be written: {reason}") from error


class Described(NamedTuple):
    """What a recipe says of its rows."""

    fingerprint: str
    width: int


class Left(NamedTuple):
    """What `import_shards` brought in, and what it left out."""

    n_shards: int
    left_out: list[str]
    """Why each file or folder was left out."""
    n_present: int
    """Shards that were here already."""


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
        When `source` is not a cache, or a file cannot be written.
    """
    n_shards, n_present, left_out = 0, 0, list[str]()
    recipes = [path for path in _entries(source) if is_fingerprint(path.name)]
    if not recipes:
        raise CacheError(f"{source} is not a cache of bottlebank, or an empty one")
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
            shards = [
                (name, path) for path in _entries(variant) if (name := ShardName.parse(path.name))
            ]
            # The name holds the hash of the bytes. A shard that is damaged here is brought again.
            sound = {*cache.shard_names()} - cache.damaged().keys()
            here = {name.digest for name in map(ShardName.parse, sound) if name}
            by_digest = {name.digest: path for name, path in sorted(shards)}
            new = [path for digest, path in by_digest.items() if digest not in here]
            n_present += len(shards) - len(new)
            if not new:
                continue
            regular = [path for path in new if is_unlinked(path, stat.S_IFREG)]
            left_out += [f"{path} is not a regular file" for path in new if path not in regular]
            with cache.writer(recipe) as writer:
                damages = damage_of_shards(regular, storage, described.width)
                for path, damage in zip(regular, damages, strict=True):
                    if damage is not None:
                        left_out.append(damage)
                        continue
                    try:
                        # Never under a number of theirs, which may leave none for the next.
                        _copy_shard(path, cache.storage, writer.take_number())
                        n_shards += 1
                    except DamagedShardError as error:
                        left_out.append(str(error))
                    except OSError as error:
                        reason = error.strerror or error
                        raise CacheError(f"{cache.folder} cannot be written: {reason}") from error
            cache.refresh()
    return Left(n_shards, left_out, n_present)


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


def _copy_shard(path: Path, storage: Storage, number: int) -> None:
    """Copy one shard, all of which has been checked: these bytes, or none."""
    name = ShardName.parse(path.name)
    if name is None:
        raise ValueError(f"{path} is not a shard")

    def parts() -> Iterator[bytes]:
        digest = xxhash.xxh3_64()
        with open_regular(path) as file:
            while part := file.read(_COPIED_AT_ONCE):
                digest.update(part)
                yield part
        if digest.hexdigest() != name.digest:
            raise DamagedShardError(f"{path} was changed while it was copied")

    storage.put(str(name._replace(number=number)), parts())
