"""The head that answers, and how another replaces it while the service runs."""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import RefusedError, without_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..prediction import Predictor

logger = logging.getLogger(__name__)


class Stamp(NamedTuple):
    """The state of a file. Nobody can set the time of its last change (`st_ctime`)."""

    modified_ns: int
    n_bytes: int
    inode: int
    changed_ns: int

    def is_touched(self, other: Stamp) -> bool:
        """Whether only the time of the last change differs, as after a renaming or `chmod`."""
        return self != other and self[:3] == other[:3]


class Served(NamedTuple):
    """The head that answers, or one that did."""

    name: str
    """Of its file."""
    predictor: Predictor


class Heads:
    """The head that answers, the one before it, and the folder from which others come.

    A new or changed file of the folder is loaded, compared with the running extractor, tried, and
    only then put in place, in one assignment: a request ends with the head that it began with. A
    failure on the way changes nothing; `describe` says why.

    Of the files of one scan, the newest good one answers (by modification time, then name). A file
    of a later scan is newer, whatever its time says. A file that is back as it was, has only been
    renamed, or has other permissions is not new: where nothing but the time of the last change
    differs, the version of its content decides.
    """

    def __init__(
        self,
        served: Served,
        folder: Path | None = None,
        *,
        stamps: Mapping[str, Stamp] | None = None,
        refused: Mapping[str, str] | None = None,
        parity: str = "refuse",
        on_load: Callable[[str], None] = lambda result: None,
    ) -> None:
        """See `open_heads`.

        `stamps` and `refused` are the files that have been seen, and why some were refused; by
        default, all files that are there now have been seen.
        """
        self._served = served
        self._previous: Served | None = None
        self._folder = folder
        self._parity = parity
        self._on_load = on_load
        self._stamps = dict(stamps or {})
        if folder is not None and stamps is None:
            self._stamps = read_stamps(folder)
        self._gone: dict[str, Stamp] = {}
        self._names = set(self._stamps)
        self._refused = dict(refused or {})
        self._versions = {served.name: served.predictor.version, **dict.fromkeys(self._refused, "")}
        """Version of each file's content when it was last loaded; empty where it was refused."""
        self._n_chosen = 0
        """How often a head was activated or rolled back by request."""
        # Requests wait for this lock, so nothing is read from disk while it is held.
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def served(self) -> Served:
        """What answers now. Take it once per request, so that no answer mixes two heads."""
        return self._served

    def describe(self) -> list[dict[str, Any]]:
        """Every head: its file's name, its status, and its version or why it was refused.

        The status is ``active``, ``previous``, ``available`` or ``refused``, as of the last scan;
        no file is opened.
        """
        with self._lock:
            known = {self._served.name: ("active", self._served)}
            if self._previous is not None:
                known.setdefault(self._previous.name, ("previous", self._previous))
            described = []
            for name in sorted({*known, *self._names}):
                entry: dict[str, Any] = {"name": name, "status": "available"}
                if name in known:
                    status, served = known[name]
                    entry |= {
                        "status": status,
                        "version": served.predictor.version,
                        "classes": len(served.predictor.classes),
                    }
                if name in self._refused:
                    entry["error"] = self._refused[name]
                    if name not in known:
                        entry["status"] = "refused"
                described.append(entry)
            return described

    def activate(self, name: str) -> Served:
        """Switch to another head of the folder.

        Raises
        ------
        RefusedError
            When there is no such head, or it is refused.
        """
        if self._folder is None:
            raise RefusedError(
                "no_heads_folder",
                "this server was started with one head file; start it with --heads DIR to "
                "change between heads",
                status=409,
            )
        files = _found(self._folder) or {}
        if name not in files:
            raise RefusedError(
                "head_not_found",
                f"there is no head {name[:100]!r}; GET /heads lists those there are",
                status=404,
            )
        loaded = self._load(self._folder, name)
        with self._lock:
            self._names.update(files)
            self._stamps[name] = files[name]  # of this one only: others are still to be tried
            if loaded is None:
                raise RefusedError(
                    "head_refused",
                    f"{self._refused.get(name, 'it cannot be loaded')}; nothing has changed",
                    status=409,
                )
            self._n_chosen += 1
            return self._activate(name, loaded)

    def roll_back(self) -> Served:
        """Switch back to the previous head; the two change places.

        Raises
        ------
        RefusedError
            When there was none.
        """
        with self._lock:
            if self._previous is None:
                raise RefusedError(
                    "no_previous_head",
                    "no other head has answered since the server was started",
                    status=409,
                )
            self._n_chosen += 1
            self._served, self._previous = self._previous, self._served
            logger.info("rolled back to head %s", self._served.predictor.version)
            return self._served

    def scan(self) -> None:
        """Try every new or changed file of the folder; the newest good one answers."""
        if self._folder is None:
            return
        with self._scanning:
            older: list[str] = []  # still tried, so that `describe` can say what is wrong with them
            while not self._stop.is_set():
                arrived, touched = self._arrivals(self._folder)
                with self._lock:
                    n_chosen = self._n_chosen
                while arrived:
                    name = arrived.pop(0)
                    before = self._versions.get(name)
                    loaded = self._load(self._folder, name)
                    if loaded is None or (name in touched and before in (None, loaded.version)):
                        continue
                    with self._lock:
                        if self._n_chosen == n_chosen:  # else another one was requested meanwhile
                            self._activate(name, loaded)
                    break
                older = [*arrived, *(name for name in older if name in self._names)]
                if not older:
                    return
                self._load(self._folder, older.pop(0))

    def _arrivals(self, folder: Path) -> tuple[list[str], set[str]]:
        """Files that are new or changed since the last scan, newest first; which are only touched.

        A touched file may have the content that it had before, under this name or another.
        """
        found = _found(folder)
        if found is None:  # a network folder that is away for a moment is unchanged
            return [], set()
        arrived: list[str] = []
        touched: set[str] = set()
        with self._lock:
            gone = {name: self._stamps[name] for name in self._stamps.keys() - found.keys()}
            renamed = {stamp[:3]: name for name, stamp in gone.items()}
            for name, stamp in found.items():
                known = self._stamps.get(name, self._gone.get(name))
                if known == stamp:
                    continue
                arrived.append(name)
                if known is not None and stamp.is_touched(known):
                    touched.add(name)
                elif stamp[:3] in renamed:
                    touched.add(name)
                    former = renamed[stamp[:3]]
                    if former in self._versions:
                        self._versions[name] = self._versions[former]
                    if former == self._served.name:
                        self._served = self._served._replace(name=name)
            self._gone.update(gone)
            self._stamps, self._names = dict(found), set(found)
            for name in self._refused.keys() - found.keys():
                del self._refused[name]
        arrived.sort(key=lambda name: (found[name].modified_ns, name), reverse=True)
        return arrived, touched

    def _load(self, folder: Path, name: str) -> Predictor | None:
        """Load a head and try it; None, with the reason kept, when it is refused."""
        path = _path(folder, name)
        try:
            predictor = self._served.predictor.with_head(path, self._parity)
            width = predictor.head.layers.n_features
            predictor.predict_features(np.zeros((1, width), np.float32))  # loads what it needs
        except Exception as error:  # noqa: BLE001 (no file may end the watch)
            reason = refusal_reason(error, path)
            with self._lock:
                self._refused[name] = reason
                self._versions[name] = ""
            self._on_load("refused")
            logger.warning("head %s is refused: %s", name, " ".join(str(error).split()))
            return None
        with self._lock:
            self._refused.pop(name, None)
            self._versions[name] = predictor.version
        return predictor

    def _activate(self, name: str, predictor: Predictor) -> Served:
        """Make a head answer; called with `_lock` held."""
        if predictor.version != self._served.predictor.version:
            self._previous = self._served
        self._served = Served(name, predictor)
        self._on_load("activated")
        logger.info("head %s (version %s) answers now", name, predictor.version)
        return self._served

    def watch(self, every_s: float) -> None:
        """Scan the folder periodically, in a thread, until `close`.

        It is polled because notifications do not cross containers and network file systems.
        """
        if self._folder is None or self._thread is not None:
            return

        def keep_scanning() -> None:
            while not self._stop.wait(every_s):
                try:
                    self.scan()
                except Exception:
                    logger.exception("the folder of heads could not be scanned")

        self._thread = threading.Thread(target=keep_scanning, name="heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread of `watch`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def refusal_reason(error: Exception, path: Path) -> str:
    """Why a head is refused, without the names of folders: clients see it."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.replace(str(path), path.name).replace(f"{path.parent}{os.sep}", "")
    return without_folders(text)


def read_stamps(folder: Path) -> dict[str, Stamp]:
    """The state of each head file of a folder.

    Names that are not UTF-8 are written with ``\\xe9`` for each such byte.

    Raises
    ------
    OSError
        When the folder cannot be listed.
    """
    stamps = {}
    for entry in os.scandir(folder):
        if not entry.name.endswith(".h5") or entry.name.startswith("."):
            continue
        try:
            status = entry.stat()
        except OSError:
            continue  # gone since it was listed, or a link to nothing
        if stat.S_ISREG(status.st_mode):
            stamps[_printable(entry.name)] = Stamp(
                status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns
            )
    return stamps


def _found(folder: Path) -> dict[str, Stamp] | None:
    try:
        return read_stamps(folder)
    except OSError:
        return None


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _path(folder: Path, name: str) -> Path:
    if "\\x" in name:
        return next(
            (path for path in folder.iterdir() if _printable(path.name) == name), folder / name
        )
    return folder / name
