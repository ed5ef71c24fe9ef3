"""An SQLite database that holds nothing whose loss costs a row, and so survives its own."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# What the system refuses, while the database is sound; anything else is damage.
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT)
_UNWRITABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)
_ATTEMPTS = 3

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class Database:
    """A database on disk. Once it is found damaged it is empty, and is filled again.

    Where none can be written (a read-only folder, a full disk), it lives in memory, as a copy of
    what is on the disk, for as long as this process. Threads take turns.
    """

    def __init__(self, path: Path, schema: str, version: int, *, waits: bool = True) -> None:
        """Open the database at `path`, or make an empty one.

        Parameters
        ----------
        path
            The file, in a folder that need not exist.
        schema
            The statements that make the tables where they are missing, with ``;`` between.
        version
            Of the schema. A database of another version is emptied.
        waits
            For up to 30 s while another process keeps it locked; otherwise for half a second, and
            then goes on in memory.
        """
        self._waits = waits
        self._turn = threading.RLock()
        self._path, self._schema, self._version = path, schema, version
        self._connection = self._open()
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Close the database."""
        if self._process == os.getpid():  # SQLite wants what was inherited left alone
            with self._turn:
                self._connection.close()

    def ask(self, query: str, arguments: Sequence[object] = ()) -> list[Any]:
        """All rows of the answer; that of an empty database when this one is found damaged.

        Raises
        ------
        CacheError
            When another process keeps the database locked, or it is closed.
        """
        return self._surviving(lambda: self._connection.execute(query, arguments).fetchall())

    def change(self, statement: str, arguments: Sequence[Sequence[object]]) -> None:
        """Carry out a statement with each of its arguments, in one transaction.

        Raises
        ------
        CacheError
            When another process keeps the database locked, or it is closed.
        """

        def carry_out() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(statement, arguments)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

        if arguments:
            self._surviving(carry_out)

    def _surviving(self, job: Callable[[], _T]) -> _T:
        if self._process != os.getpid():  # forked: a connection must not be shared, nor closed
            self._inherited.append(self._connection)
            self._turn = threading.RLock()  # a thread of the parent may have had the other one
            self._connection, self._process = self._open(), os.getpid()
        with self._turn:
            for _ in range(_ATTEMPTS):
                try:
                    return job()
                except sqlite3.ProgrammingError as error:
                    raise CacheError(f"{self._path}: {error}") from error  # closed
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    self._begin_again(error)
        raise CacheError(f"{self._path} is damaged and cannot be rebuilt: remove it")

    def _begin_again(self, error: Exception) -> None:
        on_disk = not self._is_in_memory
        if on_disk and self._cannot_be_written(error):
            logger.info("%s: %s; indexing in memory", self._path, error)
            self._connection.close()
            self._connection, self._is_in_memory = self._copy_in_memory(), True
            return
        logger.warning("%s is damaged (%s) and is rebuilt", self._path, error)
        self._connection.close()
        if on_disk:
            _remove(self._path)  # what other processes have open stays theirs
        self._connection = self._open()

    def _cannot_be_written(self, error: Exception) -> bool:
        """Whether the system refuses to write; False is damage. Raises CacheError when busy."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _BUSY and self._waits:
            raise CacheError(
                f"{self._path} is in use by another process ({error}); try again"
            ) from error
        return code in (*_BUSY, *_UNWRITABLE)

    def _open(self) -> sqlite3.Connection:
        self._is_in_memory = False
        can_be_file = self._path.is_file() or not self._path.exists()  # a pipe would wait for ever
        if can_be_file and os.access(self._path.parent, os.W_OK | os.X_OK):
            try:
                return self._connect()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not self._cannot_be_written(error):
                    _remove(self._path)
                    return self._connect()
                logger.info("%s cannot be written (%s): indexing in memory", self._path, error)
        self._is_in_memory = True
        return self._copy_in_memory()

    def _connect(self) -> sqlite3.Connection:
        """Open the file and see to its tables, in one transaction with their check."""
        timeout_s = 30 if self._waits else 0.5
        connection = sqlite3.connect(
            self._path, timeout=timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous=OFF")  # a power cut costs time
            connection.execute("BEGIN IMMEDIATE")  # raises where it cannot be written
            if connection.execute("PRAGMA user_version").fetchone()[0] != self._version:
                tables = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
                for (name,) in tables.fetchall():
                    connection.execute(f'DROP TABLE "{name}"')
            self._make_tables(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _copy_in_memory(self) -> sqlite3.Connection:
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if self._path.is_file():
            with contextlib.suppress(sqlite3.DatabaseError):
                # immutable: a read-only folder takes no journal and no lock
                disk = sqlite3.connect(f"file:{quote(str(self._path))}?immutable=1", uri=True)
                with contextlib.closing(disk):
                    disk.backup(memory)
                if memory.execute("PRAGMA user_version").fetchone()[0] == self._version:
                    self._make_tables(memory)
                    return memory
            memory.close()
            memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._make_tables(memory)
        return memory

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        for statement in self._schema.split(";"):
            connection.execute(statement)
        if connection.execute("PRAGMA user_version").fetchone()[0] != self._version:
            connection.execute(f"PRAGMA user_version={self._version}")  # which writes


def _remove(path: Path) -> None:
    """Remove a database with its journal, which would be played back into the next one."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
