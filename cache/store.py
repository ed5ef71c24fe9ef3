"""The rows of one recipe and variant: found by key, read with checksums, added by one writer."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..atomic import make_folder, remove_temporaries, sync, write_bytes
from ..errors import CacheError, DamagedShardError, MissingRowsError
from .index import IndexLostError
from .lock import WriterLock
from .shard import Rejection, Rows, Shard, ShardName, write_shard
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .index import Index, Place
    from .keys import Key

COMMIT_EVERY_ROWS = 2048
COMMIT_EVERY_S = 30.0
RECIPE_FILE = "recipe.json"

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class FeatureCache:
    """The transfer values of one recipe, computed one way (a variant), by content of the image.

    Reading takes no lock and never writes a shard. What a writer of another process commits
    becomes visible when the cache is opened again or `refresh` is called.
    """

    def __init__(self, root: Path, fingerprint: str, variant: str, index: Index) -> None:
        """See `CacheFolder.open`."""
        self._root = root.absolute()
        self.folder = root / fingerprint / variant
        self.variant = variant
        self.fingerprint = fingerprint
        self._name = f"{fingerprint}/{variant}"
        self._index = index
        self.refresh()

    def refresh(self) -> None:
        """Bring the index up to the shards that are in the folder now."""
        self._generation = self._index.generation
        try:
            self._bring_index_up()
        except IndexLostError:
            self._generation = self._index.generation
            self._bring_index_up()

    def shard_paths(self) -> list[Path]:
        """The committed shards, in order."""
        try:
            found = [path for path in self.folder.iterdir() if ShardName.parse(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CacheError(f"{self.folder} cannot be read: {error.strerror}") from error
        return sorted(found)

    def __len__(self) -> int:
        return self._ask(lambda: self._index.count(self._name))[0]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self._find(key) is not None

    def present(self, keys: Iterable[Key]) -> set[Key]:
        """Those of `keys` that have a row."""
        wanted = set(keys)
        return self._ask(lambda: self._index.present(self._name, wanted))

    def damaged(self) -> dict[str, str]:
        """Damaged shards, by file name, with the reason; their rows count as missing."""
        return self._ask(lambda: self._index.damaged(self._name))

    def rejection(self, key: Key) -> str | None:
        """Why the image was rejected; None when it was not."""
        return self._ask(lambda: self._index.rejection(self._name, key))

    def rejections(self) -> list[tuple[bytes, str]]:
        """(path, reason) of every image that was rejected."""
        return self._ask(lambda: self._index.rejections(self._name))

    def keys(self) -> list[Key]:
        """Every key, in the order in which rows were committed."""
        return [key for key, _ in self._ask(lambda: self._index.places(self._name))]

    def rows(self, keys: Sequence[Key]) -> NDArray[np.float32]:
        """Read rows.

        Parameters
        ----------
        keys
            In any order, with repetitions.

        Returns
        -------
        ndarray
            float32, (n, width), in the order of `keys`. Each block that is read has passed its
            checksum, and each row's stored key has been compared with the key asked for.

        Raises
        ------
        MissingRowsError
            When a key has no row.
        DamagedShardError
            When a shard's bytes are not those that were written. Its rows count as missing from
            then on, so that the next extraction computes them again.
        """
        try:
            return self._read(keys)
        except _IndexIsWrongError as error:
            logger.warning("%s: the index is built again", error)
            self._rebuild_index()
        try:
            return self._read(keys)
        except _IndexIsWrongError as error:
            raise CacheError(
                f"{error}; another process is changing the cache: try again"
            ) from error

    def _read(self, keys: Sequence[Key]) -> NDArray[np.float32]:
        found = self._ask(lambda: self._index.find_many(self._name, keys))
        if not found.keys() >= set(keys):
            self._ask(self._index.check)  # a damaged index may lose rows without a word
            found = self._ask(lambda: self._index.find_many(self._name, keys))
        places = [found[key] for key in keys if key in found]
        if len(places) < len(keys):
            missing = len(keys) - len(places)
            raise MissingRowsError(
                f"{missing} of {len(keys)} rows are not in {self.folder}: extract them first"
            )
        by_shard: dict[str, list[int]] = {}
        for position, place in enumerate(places):
            if type(place.row) is not int or place.row < 0:
                raise _IndexIsWrongError(f"the index of {self.folder} has a row {place.row!r}")
            by_shard.setdefault(place.shard, []).append(position)
        out: NDArray[np.float32] | None = None
        for name, positions in by_shard.items():
            shard_rows = np.array([places[position].row for position in positions])
            try:
                with Shard(self.folder / name) as shard:
                    if out is None:
                        out = np.empty((len(keys), shard.width), np.float32)
                    _compare_keys(shard, shard_rows, [keys[position] for position in positions])
                    _read_in_any_order(shard, shard_rows, out, np.array(positions))
            except FileNotFoundError as error:
                raise _IndexIsWrongError(f"{self.folder / name} is gone") from error
            except DamagedShardError as error:
                self.mark_damaged(name, str(error))
                raise
        return np.empty((0, 0), np.float32) if out is None else out

    def paths(self) -> dict[Key, bytes]:
        """Where each row's image was when it was extracted, for all rows."""
        found: dict[Key, bytes] = {}
        for path in self.shard_paths():
            with Shard(path) as shard:
                for key, seen in zip(shard.row_keys(), shard.paths(), strict=True):
                    found.setdefault(key.tobytes(), seen)
        return found

    @contextlib.contextmanager
    def writer(
        self,
        recipe: Mapping[str, Any],
        commit_every_rows: int = COMMIT_EVERY_ROWS,
        commit_every_s: float = COMMIT_EVERY_S,
    ) -> Generator[Writer]:
        """Take the lock and add rows; what is uncommitted at the end is committed.

        Also when the block is left by an exception: every row that was added is whole.

        Parameters
        ----------
        recipe
            What the fingerprint stands for; kept as `recipe.json`.
        commit_every_rows, commit_every_s
            A shard is committed when it has this many rows or is this old.

        Raises
        ------
        CacheLockedError
            When another process writes to this variant.
        CacheError
            When the folder cannot be written.
        """
        try:
            make_folder(self.folder)
        except OSError as error:
            raise CacheError(
                f"{self.folder} cannot be created: {error.strerror}; name another with --cache"
            ) from error
        with WriterLock(self.folder):
            remove_temporaries(self.folder)
            recipe_file = self.folder.parent / RECIPE_FILE
            text = (json.dumps(recipe, indent=2) + "\n").encode()
            try:
                if not recipe_file.exists() or recipe_file.read_bytes() != text:
                    write_bytes(recipe_file, text)
                # What a killed run renamed and could not sync any more would not survive a power
                # cut, and this run goes on from it.
                for folder in (self.folder, recipe_file.parent, self._root, self._root.parent):
                    sync(folder)
            except OSError as error:
                reason = error.strerror or error
                raise CacheError(f"{self.folder} cannot be written: {reason}") from error
            self._ask(self._index.check)
            self.refresh()
            writer = Writer(self, commit_every_rows, commit_every_s)
            try:
                yield writer
            finally:
                writer.commit()

    def mark_damaged(self, name: str, reason: str) -> None:
        """Let the rows of a shard count as missing, but for those that another shard has too."""
        self._ask(lambda: self._index.mark_damaged(self._name, name, reason))
        self._rebuild_index()

    def mark_sound(self, name: str) -> None:
        """Take back `mark_damaged`: the file was put back, say from a copy."""
        self._ask(lambda: self._index.unmark_damaged(self._name, name))
        self.refresh()

    def add_shard(self, name: str, rows: Rows) -> None:
        """Index a shard that was committed just now."""
        try:
            self._index.add_shard(self._name, name, rows.keys, rows.rejections)
        except IndexLostError:
            self.refresh()

    def _find(self, key: Key) -> Place | None:
        return self._ask(lambda: self._index.find(self._name, key))

    def _ask(self, question: Callable[[], _T]) -> _T:
        if self._generation != self._index.generation:  # lost while another was asking
            self.refresh()
        try:
            return question()
        except IndexLostError:
            self.refresh()
            return question()

    def _bring_index_up(self) -> None:
        # Asked before the folder is listed: a shard that is committed in between is new, not gone.
        indexed = self._index.shards(self._name)
        damaged = self._index.damaged(self._name)
        present = {path.name: path for path in self.shard_paths()}
        for gone in damaged.keys() - present.keys():
            self._index.unmark_damaged(self._name, gone)
        if indexed - present.keys():
            self._rebuild_index()
            return
        for path in (present[name] for name in sorted(present.keys() - indexed - damaged.keys())):
            contents = self._contents(path)
            if contents is not None:
                self._index.add_shard(self._name, *contents)

    def _rebuild_index(self) -> None:
        """Index all shards anew, but for those that are marked as damaged."""
        damaged = self._ask(lambda: self._index.damaged(self._name))
        paths = [path for path in self.shard_paths() if path.name not in damaged]
        read = [contents for path in paths if (contents := self._contents(path)) is not None]
        self._ask(lambda: self._index.rebuild(self._name, read))

    def _contents(self, path: Path) -> tuple[str, list[Key], list[Rejection]] | None:
        """What the index needs of a shard; None when it is gone or damaged."""
        try:
            with Shard(path) as shard:
                keys = [key.tobytes() for key in shard.row_keys()]
                return path.name, keys, shard.rejections()
        except FileNotFoundError:
            return None  # removed by another process since the folder was listed
        except DamagedShardError as error:
            logger.warning("%s", error)
            self._index.mark_damaged(self._name, path.name, str(error))
            return None


class _IndexIsWrongError(Exception):
    """The index names a shard or row that is not there, or holds another key."""


class Writer:
    """Collects rows and commits them as shards; made by `FeatureCache.writer`."""

    def __init__(self, cache: FeatureCache, every_rows: int, every_s: float) -> None:
        """The lock is held."""
        self._cache = cache
        self._every_rows = every_rows
        self._every_s = every_s
        self._rows = Rows()
        self._since = time.monotonic()
        self._width = 0
        paths = cache.shard_paths()
        last = ShardName.parse(paths[-1].name) if paths else None
        self._number = 0 if last is None else last.number + 1

    def add(self, key: Key, path: bytes, features: NDArray[np.float32]) -> None:
        """Add a row, float32 (width,); commits when it is time."""
        self._width = len(features)
        self._rows.keys.append(key)
        self._rows.paths.append(path)
        self._rows.features.append(features)
        self._commit_if_due()

    def reject(self, key: Key, path: bytes, reason: str) -> None:
        """Remember that an image cannot be decoded, and why."""
        self._rows.rejections.append(Rejection(key, path, reason))
        self._commit_if_due()

    def commit(self) -> None:
        """Write what was added as one shard; once this returns it survives a power cut."""
        if len(self._rows):
            rows, self._rows = self._rows, Rows()
            storage = Variant.parse(self._cache.variant).storage
            try:
                name = write_shard(self._cache.folder, self._number, rows, self._width, storage)
            except OverflowError as error:
                raise CacheError(str(error)) from error
            except OSError as error:
                raise CacheError(
                    f"{len(rows)} rows could not be written to {self._cache.folder}: "
                    f"{error.strerror or error}. What was committed before is kept; run the "
                    f"command again to go on"
                ) from error
            self._number += 1
            self._cache.add_shard(name, rows)
        self._since = time.monotonic()

    def _commit_if_due(self) -> None:
        overdue = time.monotonic() - self._since >= self._every_s
        if len(self._rows) >= self._every_rows or overdue:
            self.commit()


def _compare_keys(shard: Shard, rows: NDArray[np.intp], keys: Sequence[Key]) -> None:
    expected = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
    stored = shard.row_keys()
    if rows.max() >= len(stored) or not np.array_equal(stored[rows], expected):
        raise _IndexIsWrongError(f"the index does not fit {shard.path}")


def _read_in_any_order(
    shard: Shard, rows: NDArray[np.intp], out: NDArray[np.float32], positions: NDArray[np.intp]
) -> None:
    order = np.argsort(rows, kind="stable")
    start = int(positions[0])
    if np.array_equal(positions, np.arange(start, start + len(rows))) and (np.diff(rows) > 0).all():
        shard.read(rows, out[start : start + len(rows)])  # in dataset order: no second copy
        return
    values = np.empty((len(rows), shard.width), np.float32)
    shard.read(rows[order], values)
    out[positions[order]] = values
