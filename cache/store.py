"""The rows of one recipe and variant: found by key, read with checksums, added by one writer."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CacheError, DamagedShardError, MissingRowsError
from ..formatting import counted
from .keys import Key, KeyArray
from .shards.key_map import KeyMap, shards_and_rows
from .shards.opening import IndexIsWrongError, from_shard, read_rows
from .shards.shard_name import ShardName, next_number
from .variant import Variant
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from .index import Index
    from .keys import ContentHash
    from .shards.shard import Contents, Rejection
    from .storage import Storage

COMMIT_EVERY_ROWS = 2048
COMMIT_EVERY_S = 30.0
RECIPE_FILE = "recipe.json"
MAX_RECIPE_BYTES = 1 << 16

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


def is_fingerprint(name: str) -> bool:
    """Whether a name is 64 hexadecimal digits: names come from other people's files."""
    return _FINGERPRINT.fullmatch(name) is not None


class FeatureCache:
    """The transfer values of one recipe, computed one way (a variant), by content of the image.

    Reading takes no lock and never writes a shard. What a writer of another process commits
    becomes visible when the cache is opened again or `refresh` is called.
    """

    def __init__(self, root: Storage, fingerprint: str, variant: str, index: Index) -> None:
        """See `CacheFolder.open`."""
        try:
            Variant.parse(variant)
        except ValueError as error:
            raise CacheError(str(error)) from error
        if not is_fingerprint(fingerprint):
            raise CacheError(f"{fingerprint[:100]!r} is not a fingerprint: expected 64 digits")
        self._above = root.below(fingerprint)
        self.storage = self._above.below(variant)
        self.folder = self.storage.where
        self.variant = variant
        self.fingerprint = fingerprint
        self._name = f"{fingerprint}/{variant}"
        self._index = index
        self._key_map = KeyMap()
        self._failures: dict[ContentHash, Rejection] | None = None
        self.refresh()

    def refresh(self) -> None:
        """See what other processes have committed or removed."""
        present, damaged = set(self.shard_names()), self.damaged().keys()
        if set(self._key_map.names) != present - damaged or not damaged <= present:
            self._load()

    def shard_names(self) -> list[str]:
        """Names of the committed shards, in the order of their numbers."""
        try:
            names = self.storage.list()
        except OSError as error:
            raise CacheError(f"{self.folder} cannot be read: {error.strerror}") from error
        parsed = [(number, name) for name in names if (number := ShardName.parse(name))]
        return [name for _, name in sorted(parsed)]

    def n_bytes(self) -> int:
        """Bytes of all shards; what is not a file counts nothing."""
        n_bytes = 0
        for name in self.shard_names():
            with contextlib.suppress(OSError):
                n_bytes += self.storage.status(name).n_bytes
        return n_bytes

    def __len__(self) -> int:
        return len(self._key_map)

    @property
    def n_stored(self) -> int:
        """As `len`, but counts rows that two shards have twice, and needs no look-up of keys."""
        return self._key_map.n_stored

    def __contains__(self, key: Key) -> bool:
        return key in self._key_map

    def n_present(self, keys: Sequence[Key] | KeyArray) -> int:
        """How many of these have a row."""
        return int((self._key_map.find(keys) >= 0).sum())

    def newest_s(self) -> float:
        """When the last shard was written, in seconds since 1970; 0 where that is not known."""
        times = [0.0]
        for name in self.shard_names()[-1:]:
            with contextlib.suppress(OSError):
                times.append(self.storage.status(name).modified_s)
        return max(times)

    def damaged(self) -> dict[str, str]:
        """Damaged shards, by file name, with the reason; their rows count as missing."""
        return self._index.damaged(self._name)

    def rejection(self, content: ContentHash) -> str | None:
        """Why the image was rejected; None when it was not."""
        found = self._key_map.rejections.get(content)
        return None if found is None else found.reason

    def rejections(self) -> list[tuple[bytes, str]]:
        """(path, reason) of every image that was rejected and has no row, by path."""
        rejections = self._key_map.rejections.values()
        return sorted(
            (found.path, found.reason) for found in rejections if Key(found.content) not in self
        )

    def failure(self, content: ContentHash) -> str | None:
        """Why the image could not be decoded on this machine; None where that is not known."""
        found = self._failures_here().get(content)
        return None if found is None else found.reason

    def failures(self) -> list[tuple[bytes, str]]:
        """(path, reason) of every image that failed on this machine and has no row, by path."""
        failures = self._failures_here().values()
        return sorted(
            (found.path, found.reason) for found in failures if Key(found.content) not in self
        )

    def remember_failures(self, failures: Sequence[Rejection]) -> None:
        """Remember images for which this machine lacked memory or time.

        That is kept in the index, not in a shard: it says nothing of the image on another machine.
        """
        self._index.remember_failures(self._name, failures)
        self._failures_here().update((failure.content, failure) for failure in failures)

    def _failures_here(self) -> dict[ContentHash, Rejection]:
        if self._failures is None:
            found = self._index.failures(self._name)
            self._failures = {failure.content: failure for failure in found}
        return self._failures

    def keys(self) -> list[Key]:
        """Every key, in the order in which rows were committed."""
        return self._key_map.keys().to_list()

    def order_of(self, keys: Sequence[Key] | KeyArray) -> NDArray[np.intp]:
        """The order in which the rows of keys lie in the shards, to be read in parts by."""
        return np.argsort(self._key_map.find(keys), kind="stable")

    def n_images(self) -> int:
        """Rows of images themselves, without those of other views."""
        return int((self._key_map.keys().views == 0).sum())

    def rows(self, keys: Sequence[Key] | KeyArray) -> NDArray[np.float32]:
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
        asked = KeyArray.of(keys)
        places = self._key_map.find(asked)
        if (places < 0).any():
            self.refresh()
            places = self._key_map.find(asked)
        try:
            return self._read(asked, places)
        except FileNotFoundError:
            self.refresh()  # removed by another process: the row may be in another shard now
        except IndexIsWrongError as error:
            logger.warning("%s: the index is rebuilt", error)
            self._index.forget_shards(self._name, self._key_map.names)
            self._load()
        try:
            return self._read(asked, self._key_map.find(asked))
        except (FileNotFoundError, IndexIsWrongError) as error:
            raise CacheError(
                f"{error}; another process is changing the cache: try again"
            ) from error

    def _read(self, asked: KeyArray, places: NDArray[np.int64]) -> NDArray[np.float32]:
        n = len(places)
        if not n:
            return np.empty((0, 0), np.float32)
        n_missing = int((places < 0).sum())
        if n_missing:
            raise MissingRowsError(
                f"{n_missing} of {counted(n, 'row')} {'is' if n == 1 else 'are'} "
                f"not in {self.folder}: extract them first"
            )
        order = np.argsort(places, kind="stable")
        shards, rows = shards_and_rows(places[order])
        starts = np.flatnonzero(np.diff(shards, prepend=-1)).tolist()
        out = np.empty((n, self._key_map.layouts[int(shards[0])].width), np.float32)
        with ThreadPoolExecutor(min(self.storage.n_readers, len(starts))) as readers:
            reading: dict[int, Future[None]] = {}
            for start, end in itertools.pairwise([*starts, n]):
                shard = int(shards[start])
                task = (shard, rows[start:end], asked, order[start:end], out)
                reading[shard] = readers.submit(self._read_shard, *task)
        for shard, done in reading.items():
            try:
                done.result()
            except DamagedShardError as error:
                self.mark_damaged(self._key_map.names[shard], str(error))
                raise
        return out

    def _read_shard(
        self,
        number: int,
        rows: NDArray[np.int64],
        asked: KeyArray,
        positions: NDArray[np.intp],
        out: NDArray[np.float32],
    ) -> None:
        """Read ``out[positions[i]]``, the row of ``asked[positions[i]]``, from one shard."""
        layout, name = self._key_map.layouts[number], self._key_map.names[number]
        keys = asked.take(positions)
        task = (self.storage, name, layout, rows, keys, out, positions)
        read_rows(*task, lambda name: name in self.shard_names())

    def paths(self) -> dict[Key, bytes]:
        """Where each row's image was when it was extracted, for all rows.

        Rows of a shard whose damage shows here count as missing from then on.
        """
        found: dict[Key, bytes] = {}
        for name in list(self._key_map.names):
            try:
                keys, places = from_shard(
                    self.storage, name, lambda shard: (shard.keys().to_list(), shard.paths())
                )
            except FileNotFoundError:
                continue  # removed by another process
            except DamagedShardError as error:
                logger.warning("%s", error)
                self.mark_damaged(name, str(error))
                continue
            for key, seen in zip(keys, places, strict=True):
                found.setdefault(key, seen)
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
        text = (json.dumps(recipe, indent=2) + "\n").encode()
        with self.storage.writing():
            try:
                if not _holds(self._above, RECIPE_FILE, text):
                    self._above.put(RECIPE_FILE, [text], replace=True)
            except OSError as error:
                reason = error.strerror or error
                raise CacheError(f"{self.folder} cannot be written: {reason}") from error
            self.refresh()
            writer = Writer(
                self.storage,
                self.variant,
                next_number(self.shard_names()),
                self.add_shard,
                commit_every_rows,
                commit_every_s,
            )
            try:
                yield writer
            finally:
                writer.commit()

    def mark_damaged(self, name: str, reason: str) -> None:
        """Let the rows of a shard count as missing, but for those that another shard has too."""
        self._index.mark_damaged(self._name, name, reason)
        self._load()

    def mark_sound(self, name: str) -> None:
        """Take back `mark_damaged`: the file was put back, say from a copy."""
        self._index.unmark_damaged(self._name, [name])
        self.refresh()

    def add_shard(self, shard: Contents) -> None:
        """Make the rows of a shard known that was committed just now."""
        if shard.name in self._key_map.names:
            return
        self._index.add_shards(self._name, [shard])
        self._key_map.add(shard)

    def _load(self) -> None:
        """Fill `_key_map` from the index, and the index from shards that are not in it."""
        # Asked before the folder is listed: a shard that is committed in between is new, not gone.
        indexed = self._index.contents(self._name)
        damaged = self._index.damaged(self._name)
        names = self.shard_names()
        unknown = [name for name in names if name not in damaged and name not in indexed]
        with ThreadPoolExecutor(self.storage.n_readers) as readers:
            found = dict(zip(unknown, readers.map(self._contents, unknown), strict=True))
        self._index.forget_shards(self._name, indexed.keys() - set(names))
        self._index.unmark_damaged(self._name, damaged.keys() - set(names))
        self._key_map = KeyMap()
        new: list[Contents] = []
        for name in names:
            if name in damaged:
                continue
            contents = indexed.get(name) or found[name]
            if contents is None:
                continue
            if name in found:
                new.append(contents)
            self._key_map.add(contents)
        self._index.add_shards(self._name, new)

    def _contents(self, name: str) -> Contents | None:
        """What a shard holds; None when it is gone or damaged."""
        try:
            return from_shard(self.storage, name, lambda shard: shard.contents())
        except FileNotFoundError:
            return None  # removed by another process since the folder was listed
        except DamagedShardError as error:
            logger.warning("%s", error)
            self._index.mark_damaged(self._name, name, str(error))
            return None


def _holds(storage: Storage, name: str, data: bytes) -> bool:
    """Whether a blob holds these bytes; a pipe or a device in its place does not."""
    try:
        with storage.open(name) as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False
