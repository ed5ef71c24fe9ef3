"""The index: what is known of images and shards without opening them. It can be deleted any time.

Three kinds of entries are derived, and found again in the files: which content a file has (by path,
size, inode, and the times of its last modification and last change), which contents the images of
an archive or of a table have, and what a shard holds, or that it is damaged. None is trusted with
data: contents carry a checksum, a row's key is compared with the shard's, and a file that is not
known is read.

Four are of this machine, and in no file: which images failed here, where images were seen, where
networks in files of a person's own are, and when and how fast images were extracted. When they are
lost, an image is tried once more, `prune` keeps rows that could go, and the others are noted again
with the next extraction.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from ..paths import absolute_paths
from .database import Database
from .identity import place_of, this_machine
from .shards.row_reader import Layout
from .shards.shard import Contents, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ..untrusted.tar_members import FileStatus
    from .keys import ContentHash

FILE_NAME = "index.sqlite"
# Up to 6, files were remembered without the place of their folder.
_VERSION = 7
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER,
    ctime_ns INTEGER, inode INTEGER, key BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (path BLOB, reading TEXT, start INTEGER, size INTEGER,
    mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, about BLOB, contents BLOB, seal BLOB,
    PRIMARY KEY (path, reading, start));
CREATE TABLE IF NOT EXISTS seen (folder BLOB, place BLOB, PRIMARY KEY (folder, place))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard (variant TEXT, name TEXT, about BLOB, checksums BLOB, keys BLOB,
    seal BLOB, PRIMARY KEY (variant, name));
CREATE TABLE IF NOT EXISTS damaged (variant TEXT, name TEXT, reason TEXT,
    PRIMARY KEY (variant, name));
CREATE TABLE IF NOT EXISTS tried (machine BLOB, variant TEXT, content BLOB, path BLOB, reason BLOB,
    seal BLOB, PRIMARY KEY (machine, variant, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS network (sha256 TEXT, path BLOB, PRIMARY KEY (sha256, path))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used (machine BLOB, variant TEXT, at_s REAL, images_per_second REAL,
    PRIMARY KEY (machine, variant)) WITHOUT ROWID;
"""
# SQLite may have been built to take 999 in a query.
_VALUES_A_QUERY = 500
_FILES_AT_ONCE = 20_000
# How far apart two changes must be for their times to differ: a tick of the kernel's clock; where
# times are kept in whole seconds, as some file systems do, one or two of them.
_TICK_NS, _COARSE_TICK_NS = 20_000_000, 2_000_000_000


class Stamp(NamedTuple):
    """What tells that a file has not changed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    """When anything of the file was changed: unlike `mtime_ns`, nobody can set it."""
    inode: int

    @classmethod
    def of(cls, status: FileStatus) -> Stamp:
        """That of a file as it is now."""
        times = _signed(status.st_mtime_ns), _signed(status.st_ctime_ns)
        return cls(status.st_size, *times, _signed(status.st_ino))


def _signed(number: int) -> int:
    """As SQLite keeps it: inodes may have 64 bits without a sign, and times come after 2262."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def is_settled(stamp: Stamp, looked_at_ns: int) -> bool:
    """Whether every later change of a file shows in its stamp.

    A file that was changed just before the stamp was taken, at `looked_at_ns` or later, may be
    changed once more at what its file system calls the same time.
    """
    is_coarse = stamp.ctime_ns % 1_000_000_000 == 0
    return looked_at_ns - stamp.ctime_ns >= (_COARSE_TICK_NS if is_coarse else _TICK_NS)


class Index:
    """The index of one cache folder. Variants are named ``<fingerprint>/<variant>``."""

    def __init__(self, root: Path, *, waits: bool = True) -> None:
        """Open the index of the cache at `root`, or make an empty one; see `Database`."""
        self._database = Database(root / FILE_NAME, _SCHEMA, _VERSION, waits=waits)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def contents_of_files(
        self, files: Sequence[tuple[str | bytes, FileStatus]]
    ) -> list[ContentHash | None]:
        """The content remembered for each file that has not changed since; else None."""
        names = absolute_paths([path for path, _ in files])
        query = "SELECT path, size, mtime_ns, ctime_ns, inode, key FROM file WHERE path"
        known = {
            path: (Stamp(*stamp), sealed) for path, *stamp, sealed in self._rows_of(query, names)
        }
        contents: list[ContentHash | None] = []
        for name, (_, status) in zip(names, files, strict=True):
            then, sealed = known.get(name, (None, None))
            now = Stamp.of(status)
            contents.append(_unsealed(name, now, sealed) if then == now else None)
        return contents

    def remember_files(self, files: Iterable[tuple[str | bytes, Stamp, ContentHash]]) -> None:
        """Remember the contents of files, in one transaction."""
        files = list(files)
        names = absolute_paths([path for path, _, _ in files])
        rows = [
            (name, *stamp, _sealed(name, stamp, content))
            for name, (_, stamp, content) in zip(names, files, strict=True)
        ]
        self._database.change("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?)", rows)

    def remember_folders(self, paths: Iterable[str | bytes]) -> None:
        """Remember which place the folder of each of these files is now; see `place_of`."""
        folders = {name.rpartition(b"/")[0] or b"/" for name in absolute_paths(paths)}
        query = "SELECT folder, place FROM seen WHERE folder"
        known = {tuple(row) for row in self._rows_of(query, folders)}
        now = {(folder, place_of(folder)) for folder in folders}
        new = sorted((folder, place) for folder, place in now - known if place is not None)
        self._database.change("INSERT OR REPLACE INTO seen VALUES (?,?)", new)

    def folders(self) -> dict[str, set[bytes]]:
        """Which places the folder of remembered files has been, on any machine, by its path."""
        found: dict[str, set[bytes]] = {}
        for folder, place in self._database.ask("SELECT folder, place FROM seen"):
            if isinstance(folder, bytes) and isinstance(place, bytes):  # else it is damaged
                found.setdefault(os.fsdecode(folder), set()).add(place)
        return found

    def n_files(self) -> int:
        """How many files are remembered."""
        return int(self._database.ask("SELECT count(*) FROM file")[0][0])

    def files(self) -> Iterator[tuple[str, Stamp, ContentHash]]:
        """(path, stamp, content) of every file that is remembered, by path."""
        query = (
            "SELECT path, size, mtime_ns, ctime_ns, inode, key FROM file "
            "WHERE path > ? ORDER BY path LIMIT ?"
        )
        last = b""
        while rows := self._database.ask(query, (last, _FILES_AT_ONCE)):
            for path, *times, sealed in rows:
                stamp = Stamp(*times)
                content = _unsealed(path, stamp, sealed)
                if content is not None:
                    yield os.fsdecode(path), stamp, content
            if rows[-1][0] <= last:
                return  # a damaged database may repeat itself
            last = rows[-1][0]

    def forget_file(self, path: str) -> None:
        """Have a file read again; and all archives, one of which may hold it."""
        self._database.change("DELETE FROM file WHERE path=?", [(absolute_paths([path])[0],)])
        self._database.change("DELETE FROM part", [()])

    def part(self, path: str, reading: str, start: int, stamp: Stamp) -> tuple[bytes, bytes] | None:
        """What `remember_parts` was told of a part, `about` and `contents`; None if it changed."""
        [name] = absolute_paths([path])
        query = "SELECT about, contents, seal FROM part WHERE path=? AND reading=? AND start=?"
        stamped = " AND size=? AND mtime_ns=? AND ctime_ns=? AND inode=?"
        known = (name, reading, start, *stamp)
        for about, contents, seal in self._database.ask(query + stamped, known):
            is_typed = isinstance(about, bytes) and isinstance(contents, bytes)
            if is_typed and seal == _seal_of([repr(known), about, contents]):
                return about, contents
        return None

    def remember_parts(self, parts: Iterable[tuple[str, str, int, Stamp, bytes, bytes]]) -> None:
        """Remember `about` and `contents` of parts, and forget what their archives held before."""
        rows: list[tuple[object, ...]] = []
        for path, reading, start, stamp, *blobs in parts:
            known = (*absolute_paths([path]), reading, start, *stamp)
            rows.append((*known, *blobs, _seal_of([repr(known), *blobs])))
        self._database.change(
            "DELETE FROM part WHERE path=? AND (size<>? OR mtime_ns<>? OR ctime_ns<>? OR inode<>?)",
            list({(row[0], *row[3:7]) for row in rows}),
        )
        self._database.change("INSERT OR REPLACE INTO part VALUES (?,?,?,?,?,?,?,?,?,?)", rows)

    def contents(self, variant: str) -> dict[str, Contents]:
        """What each shard holds, by its file name; one whose entry is damaged is left out."""
        query = "SELECT name, about, checksums, keys, seal FROM shard WHERE variant=?"
        found: dict[str, Contents] = {}
        for name, about, checksums, keys, seal in self._database.ask(query, (variant,)):
            blobs = (about, checksums, keys)
            is_typed = all(isinstance(blob, bytes) for blob in blobs)
            if is_typed and _seal_of((variant, name, *blobs)) == seal:
                with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                    found[name] = _unpacked(name, about, checksums, keys)
        return found

    def add_shards(self, variant: str, shards: Iterable[Contents]) -> None:
        """Remember what shards hold."""
        rows: list[tuple[object, ...]] = []
        for shard in shards:
            blobs = (_about(shard), shard.layout.checksums, shard.keys)
            seal = _seal_of((variant, shard.name, *blobs))
            rows.append((variant, shard.name, *blobs, seal))
        self._database.change("INSERT OR REPLACE INTO shard VALUES (?,?,?,?,?,?)", rows)

    def forget_shards(self, variant: str, names: Iterable[str]) -> None:
        """Forget what shards hold: they are gone, or to be read again."""
        rows = [(variant, name) for name in names]
        self._database.change("DELETE FROM shard WHERE variant=? AND name=?", rows)

    def damaged(self, variant: str) -> dict[str, str]:
        """Shards whose damage was found, by name, with the reason."""
        query = "SELECT name, reason FROM damaged WHERE variant=?"
        return {str(name): str(why) for name, why in self._database.ask(query, (variant,))}

    def mark_damaged(self, variant: str, name: str, reason: str) -> None:
        """Remember that a shard is damaged, so that its rows count as missing."""
        self._database.change(
            "INSERT OR REPLACE INTO damaged VALUES (?,?,?)", [(variant, name, reason)]
        )

    def unmark_damaged(self, variant: str, names: Iterable[str]) -> None:
        """Forget that shards are damaged: they are gone, or sound again."""
        rows = [(variant, name) for name in names]
        self._database.change("DELETE FROM damaged WHERE variant=? AND name=?", rows)

    def remember_failures(self, variant: str, failures: Iterable[Rejection]) -> None:
        """Remember images that could not be decoded on this machine; another one may do better."""
        machine = this_machine()
        rows: list[tuple[bytes | str, ...]] = []
        for content, path, reason in failures:
            values = (machine, variant, content, path, reason.encode())
            rows.append((*values, _seal_of(values)))
        self._database.change("INSERT OR REPLACE INTO tried VALUES (?,?,?,?,?,?)", rows)

    def failures(self, variant: str) -> list[Rejection]:
        """What `remember_failures` was told on this machine."""
        query = "SELECT content, path, reason, seal FROM tried WHERE machine=? AND variant=?"
        known = (this_machine(), variant)
        found: list[Rejection] = []
        for content, path, reason, seal in self._database.ask(query, known):
            values = (*known, content, path, reason)
            is_typed = all(isinstance(value, bytes) for value in values[2:])
            if is_typed and seal == _seal_of(values):
                found.append(Rejection(content, path, reason.decode()))
        return found

    def remember_network(self, sha256: str, path: str) -> None:
        """Remember where a network in a file or folder of a person's own is."""
        row = (sha256, os.fsencode(path))
        if not self._database.ask("SELECT 1 FROM network WHERE sha256=? AND path=?", row):
            self._database.change("INSERT OR REPLACE INTO network VALUES (?,?)", [row])

    def networks(self, sha256: str) -> list[str]:
        """Where a network was when it was remembered."""
        rows = self._database.ask("SELECT path FROM network WHERE sha256=?", [sha256])
        return [os.fsdecode(path) for (path,) in rows if isinstance(path, bytes)]

    def remember_use(self, variant: str, at_s: float, images_per_second: float | None) -> None:
        """Remember an extraction on this machine, and how fast it was, where that was measured."""
        row = (this_machine(), variant, at_s, images_per_second)
        self._database.change(
            "INSERT INTO used VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET at_s=excluded.at_s, "
            "images_per_second=coalesce(excluded.images_per_second, images_per_second)",
            [row],
        )

    def uses(self) -> dict[str, tuple[float, float | None]]:
        """When each was last extracted on this machine (seconds since 1970), and images/s."""
        query = "SELECT variant, at_s, images_per_second FROM used WHERE machine=?"
        rows = self._database.ask(query, (this_machine(),))
        return {str(name): (at_s, speed) for name, at_s, speed in rows if isinstance(at_s, float)}

    def _rows_of(self, query: str, values: Iterable[bytes]) -> Iterator[Any]:
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
                run = (batch[0], batch[-1], limit)
                rows = self._database.ask(f"{query} BETWEEN ? AND ? LIMIT ?", run)
                is_dense = len(rows) < limit
            if not is_dense:
                marks = ",".join("?" * len(batch))
                rows = self._database.ask(f"{query} IN ({marks})", batch)
            yield from rows


def _about(shard: Contents) -> bytes:
    """What of a shard is neither keys nor checksums."""
    layout = shard.layout._asdict()
    del layout["checksums"]  # they have a column of their own
    rejections = [(content.hex(), path.hex(), reason) for content, path, reason in shard.rejections]
    return json.dumps({"layout": layout, "rejections": rejections}).encode()


def _unpacked(name: str, about: bytes, checksums: bytes, keys: bytes) -> Contents:
    told = json.loads(about)
    rejections = [
        Rejection(bytes.fromhex(content), bytes.fromhex(path), reason)
        for content, path, reason in told["rejections"]
    ]
    return Contents(name, Layout(**told["layout"], checksums=checksums), keys, rejections)


def _seal_of(values: Iterable[bytes | str]) -> bytes:
    """XXH3 over what is remembered, and what it is remembered for."""
    seal = xxhash.xxh3_64()
    for value in values:
        data = value.encode() if isinstance(value, str) else value
        seal.update(b"%d " % len(data))
        seal.update(data)
    return seal.digest()


def _sealed(path: bytes, stamp: Stamp, content: ContentHash) -> bytes:
    """A content with 8 bytes of XXH3 over it and what it was remembered for."""
    return content + xxhash.xxh3_64_digest(b"%b\0%d %d %d %d " % (path, *stamp) + content)


def _unsealed(path: Any, stamp: Stamp, sealed: Any) -> ContentHash | None:
    """The content that `_sealed` wrote; None when a bit of what it sealed has changed."""
    try:
        content = sealed[:32]
        return content if _sealed(path, stamp, content) == sealed else None
    except TypeError:  # a damaged database may hold any type
        return None
