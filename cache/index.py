"""The derived index: what is where. It can be deleted at any time and is rebuilt from the shards.

It answers two questions without opening a shard or an image: which content a file has (by path,
size, modification time and inode), and which shard and row hold a key. Neither answer is trusted
with data: a row's key is compared with the shard's, and a file whose key is not found is read.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import xxhash

from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from .keys import Key
    from .shard import Rejection

FILE_NAME = "index.sqlite"
_VERSION = 4
_SCHEMA = """
CREATE TABLE file (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, key BLOB)
    WITHOUT ROWID;
CREATE TABLE shard (id INTEGER PRIMARY KEY, variant TEXT, name TEXT, UNIQUE (variant, name));
CREATE TABLE variant (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE place (variant INTEGER, key BLOB, shard INTEGER, row INTEGER,
    PRIMARY KEY (variant, key)) WITHOUT ROWID;
CREATE TABLE damaged (variant TEXT, name TEXT, reason TEXT, PRIMARY KEY (variant, name));
CREATE TABLE rejection (variant TEXT, key BLOB, shard INTEGER, path BLOB, reason TEXT,
    PRIMARY KEY (variant, key)) WITHOUT ROWID;
"""
_NUMBER = "(SELECT id FROM variant WHERE name=?)"
# SQLite may have been built to take 999 in a query.
_VALUES_A_QUERY = 500

# What the system refuses, while the database is sound; anything else is damage.
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT)
_UNWRITABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)

logger = logging.getLogger(__name__)


class IndexLostError(Exception):
    """The database was damaged; it is empty now, and what it derived is to be added again."""


class Place(NamedTuple):
    """Where a row is."""

    shard: str
    row: int


class Index:
    """The index of one cache folder. Variants are named ``<fingerprint>/<variant>``."""

    def __init__(self, root: Path) -> None:
        """Open the index of the cache at `root`, or make an empty one.

        Where none can be written (a read-only cache), it lives in memory for this process.
        """
        self._path = root / FILE_NAME
        self.generation = 0
        """Raised when the database was lost: what it derived is to be added again."""
        self._connection = self._open()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def key_of_file(self, path: str, status: os.stat_result) -> Key | None:
        """The key remembered for a file that has not changed since; None when there is none."""
        row = self._one(
            "SELECT key FROM file WHERE path=? AND size=? AND mtime_ns=? AND inode=?",
            (_path_key(path), status.st_size, status.st_mtime_ns, status.st_ino),
        )
        return None if row is None else _unsealed(_path_key(path), status, row[0])

    def keys_of_files(self, files: Sequence[tuple[str, os.stat_result]]) -> list[Key | None]:
        """As `key_of_file`, for many files at a time."""
        names = _path_keys([path for path, _ in files])
        query = "SELECT path, size, mtime_ns, inode, key FROM file WHERE path"
        known = {
            path: ((size, mtime_ns, inode), key)
            for path, size, mtime_ns, inode, key in self._rows_of(query, (), names)
        }
        keys: list[Key | None] = []
        for name, (_, status) in zip(names, files, strict=True):
            then, sealed = known.get(name, (None, None))
            now = (status.st_size, status.st_mtime_ns, status.st_ino)
            keys.append(_unsealed(name, status, sealed) if then == now else None)
        return keys

    def remember_files(self, files: Iterable[tuple[str, os.stat_result, Key]]) -> None:
        """Remember the keys of files, in one transaction."""
        rows = [
            (name, status.st_size, status.st_mtime_ns, status.st_ino, _sealed(name, status, key))
            for path, status, key in files
            for name in (_path_key(path),)
        ]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?)", rows)

    def files(self) -> list[tuple[str, int, int, int, Key]]:
        """(path, size, mtime_ns, inode, key) of every file that is remembered."""
        rows = self._all("SELECT path, size, mtime_ns, inode, key FROM file", ())
        return [
            (os.fsdecode(bytes(path)), size, mtime_ns, inode, bytes(sealed)[:32])
            for path, size, mtime_ns, inode, sealed in rows
        ]

    def forget_file(self, path: str) -> None:
        """Have a file read again."""
        with self._transaction():
            self._connection.execute("DELETE FROM file WHERE path=?", (_path_key(path),))

    def shards(self, variant: str) -> set[str]:
        """Names of the shards that are indexed."""
        return {name for (name,) in self._all("SELECT name FROM shard WHERE variant=?", (variant,))}

    def add_shard(
        self, variant: str, name: str, keys: Sequence[Key], rejections: Sequence[Rejection]
    ) -> None:
        """Index a shard, unless another process has done so; of equal keys the last counts."""
        with self._transaction():
            self._insert_shard(variant, name, keys, rejections)

    def rebuild(
        self, variant: str, shards: Iterable[tuple[str, Sequence[Key], Sequence[Rejection]]]
    ) -> None:
        """Forget a variant and index these shards, so that no other process sees a part."""
        with self._transaction():
            for table in ("shard", "rejection"):
                self._connection.execute(f"DELETE FROM {table} WHERE variant=?", (variant,))
            self._connection.execute(f"DELETE FROM place WHERE variant={_NUMBER}", (variant,))
            for name, keys, rejections in shards:
                self._insert_shard(variant, name, keys, rejections)

    def _insert_shard(
        self, variant: str, name: str, keys: Sequence[Key], rejections: Sequence[Rejection]
    ) -> None:
        # The number keeps the many rows of `place` at half the size that the name would take.
        self._connection.execute("INSERT OR IGNORE INTO variant (name) VALUES (?)", (variant,))
        (number,) = self._connection.execute(_NUMBER[1:-1], (variant,)).fetchone()
        inserted = self._connection.execute(
            "INSERT OR IGNORE INTO shard (variant, name) VALUES (?,?)", (variant, name)
        )
        if not inserted.rowcount:
            return
        self._connection.executemany(
            "INSERT OR REPLACE INTO place VALUES (?,?,?,?)",
            [(number, key, inserted.lastrowid, row) for row, key in enumerate(keys)],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO rejection VALUES (?,?,?,?,?)",
            [
                (variant, entry.key, inserted.lastrowid, entry.path, entry.reason)
                for entry in rejections
            ],
        )

    def damaged(self, variant: str) -> dict[str, str]:
        """Shards whose damage was found, by name, with the reason."""
        return dict(self._all("SELECT name, reason FROM damaged WHERE variant=?", (variant,)))

    def mark_damaged(self, variant: str, name: str, reason: str) -> None:
        """Remember that a shard is damaged, so that its rows count as missing."""
        with self._transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO damaged VALUES (?,?,?)", (variant, name, reason)
            )

    def unmark_damaged(self, variant: str, name: str) -> None:
        """Forget a mark: the shard is gone, or sound again."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM damaged WHERE variant=? AND name=?", (variant, name)
            )

    def places(self, variant: str) -> list[tuple[Key, Place]]:
        """Every row of a variant, in the order of the shards."""
        query = (
            "SELECT key, shard.name, row FROM place JOIN shard ON shard.id = place.shard "
            f"WHERE place.variant={_NUMBER} ORDER BY shard.name, row"
        )
        return [(bytes(key), Place(name, row)) for key, name, row in self._all(query, (variant,))]

    def find(self, variant: str, key: Key) -> Place | None:
        """Where the row of a key is."""
        row = self._one(
            "SELECT shard.name, row FROM place JOIN shard ON shard.id = place.shard "
            f"WHERE place.variant={_NUMBER} AND key=?",
            (variant, key),
        )
        return None if row is None else Place(*row)

    def find_many(self, variant: str, keys: Sequence[Key]) -> dict[Key, Place]:
        """Where the rows of keys are; a key without a row is left out."""
        query = "SELECT id, name FROM shard WHERE variant=?"
        shards: dict[int, str] = dict(self._all(query, (variant,)))
        query = f"SELECT key, shard, row FROM place WHERE variant={_NUMBER} AND key"
        return {
            key: Place(shards[shard], row)
            for key, shard, row in self._rows_of(query, (variant,), keys)
            if shard in shards
        }

    def present(self, variant: str, keys: Iterable[Key]) -> set[Key]:
        """The keys that have a row."""
        wanted = set(keys)
        query = f"SELECT key FROM place WHERE variant={_NUMBER} AND key"
        return {key for (key,) in self._rows_of(query, (variant,), wanted) if key in wanted}

    def rejection(self, variant: str, key: Key) -> str | None:
        """Why an image was rejected; None when it was not."""
        row = self._one("SELECT reason FROM rejection WHERE variant=? AND key=?", (variant, key))
        return None if row is None else row[0]

    def count(self, variant: str) -> tuple[int, int]:
        """(distinct rows, rejected images) of a variant."""
        rows = self._one(f"SELECT count(*) FROM place WHERE variant={_NUMBER}", (variant,))
        rejected = self._one("SELECT count(*) FROM rejection WHERE variant=?", (variant,))
        return rows[0], rejected[0]

    def rejections(self, variant: str) -> list[tuple[bytes, str]]:
        """(path, reason) of every rejected image, by path."""
        query = "SELECT path, reason FROM rejection WHERE variant=? ORDER BY path"
        rows = self._all(query, (variant,))
        return [(bytes(path), reason) for path, reason in rows]

    def _one(self, query: str, arguments: tuple[object, ...]) -> Any:
        with self._noticing_loss():
            return self._connection.execute(query, arguments).fetchone()

    def _all(self, query: str, arguments: tuple[object, ...]) -> list[Any]:
        with self._noticing_loss():
            return self._connection.execute(query, arguments).fetchall()

    def _rows_of(
        self, query: str, arguments: tuple[object, ...], values: Iterable[bytes]
    ) -> Iterator[Any]:
        """Rows of a `query` that ends with a column, for all `values` of it; others may be among.

        While most of what lies between the smallest and the largest value of a batch is asked
        for, it is read as one run, in a third of the time that looking up each value takes.
        """
        ordered = sorted(values)
        is_dense = True
        for start in range(0, len(ordered), _VALUES_A_QUERY):
            batch = ordered[start : start + _VALUES_A_QUERY]
            rows: list[Any] = []
            if is_dense:
                limit = 2 * len(batch)
                run = (*arguments, batch[0], batch[-1], limit)
                rows = self._all(f"{query} BETWEEN ? AND ? LIMIT ?", run)
                is_dense = len(rows) < limit
            if not is_dense:
                marks = ",".join("?" * len(batch))
                rows = self._all(f"{query} IN ({marks})", (*arguments, *batch))
            yield from rows

    def check(self) -> None:
        """Look for damage that answers would not show.

        Raises
        ------
        IndexLostError
            When there is some.
        """
        verdict = self._one("PRAGMA integrity_check(1)", ())
        if verdict is None or verdict[0] != "ok":
            raise self._lost(str(verdict))

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        with self._noticing_loss():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _noticing_loss(self) -> Generator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise CacheError(f"{self._path}: {error}") from error  # closed, or another thread's
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if self._cannot_be_written(error) and not self._is_in_memory:
                logger.info("%s: %s; indexing in memory", self._path, error)
                self._connection.close()
                self._connection, self._is_in_memory = _in_memory(self._path), True
                self.generation += 1
                raise IndexLostError(str(error)) from error
            raise self._lost(str(error)) from error

    def _cannot_be_written(self, error: Exception) -> bool:
        """Whether the system refuses to write; False is damage. Raises CacheError when busy."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _BUSY:
            raise CacheError(
                f"{self._path} is in use by another process ({error}); try again"
            ) from error
        return code in _UNWRITABLE

    def _lost(self, reason: str) -> IndexLostError:
        """Start again with an empty database; what others have open stays theirs."""
        logger.warning("%s is damaged (%s) and is built again", self._path, reason)
        self._connection.close()
        _remove(self._path)
        self._connection = self._open()
        self.generation += 1
        return IndexLostError(reason)

    def _open(self) -> sqlite3.Connection:
        self._is_in_memory = False
        if self._path.parent.is_dir() and os.access(self._path.parent, os.W_OK):
            try:
                return _connect(self._path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not self._cannot_be_written(error):
                    _remove(self._path)
                    return _connect(self._path)
                logger.info("%s cannot be written (%s): indexing in memory", self._path, error)
        self._is_in_memory = True
        return _in_memory(self._path if self._path.is_file() else None)


def _connect(path: Path) -> sqlite3.Connection:
    """Open a database and see to its tables, in one transaction with their check."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")  # raises where it cannot be written
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            for (name,) in tables.fetchall():
                connection.execute(f'DROP TABLE "{name}"')
            _make_tables(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _remove(path: Path) -> None:
    """Remove a database with its journal, which would be played back into the next one."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


def _in_memory(source: Path | None) -> sqlite3.Connection:
    """A copy of the database at `source`, or an empty one, that ends with this process."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    if source is not None and source.is_file():
        with contextlib.suppress(sqlite3.DatabaseError):
            # immutable: a read-only folder takes no journal and no lock
            disk = sqlite3.connect(f"file:{quote(str(source))}?immutable=1", uri=True)
            with contextlib.closing(disk):
                disk.backup(memory)
            if memory.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                return memory
        memory.close()
        memory = sqlite3.connect(":memory:", isolation_level=None)
    _make_tables(memory)
    return memory


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={_VERSION}")


def _sealed(path: bytes, status: os.stat_result, key: Key) -> bytes:
    """A key with 8 bytes of XXH3 over it and what it was remembered for."""
    what = b"%b\0%d %d %d " % (path, status.st_size, status.st_mtime_ns, status.st_ino)
    return key + xxhash.xxh3_64_digest(what + key)


def _unsealed(path: bytes, status: os.stat_result, sealed: object) -> Key | None:
    """The key that `_sealed` wrote; None when a bit of it has changed."""
    if not isinstance(sealed, bytes):
        return None
    key = sealed[:32]
    return key if _sealed(path, status, key) == sealed else None


def _path_key(path: str) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (names may hold surrogate escapes)


def _path_keys(paths: Iterable[str]) -> list[bytes]:
    """As `_path_key`, with `os.path.abspath` called once a folder."""
    folders: dict[str, str] = {}
    keys: list[bytes] = []
    for path in paths:
        above, slash, name = path.rpartition("/")
        folder = folders.get(above + slash)
        if folder is None:
            folder = os.path.join(os.path.abspath(above + slash), "")  # noqa: PTH100, PTH118
            folders[above + slash] = folder
        keys.append(os.fsencode(folder + name))
    return keys
