"""The head that answers, and how another takes its place while requests are being answered."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BottlebankError, HeadFileError, UsageError
from ..pipeline import load_predictor
from .refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..pipeline import Predictor
    from .settings import Settings

logger = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class Served(NamedTuple):
    """A head that answers, or did."""

    name: str
    """Of its file."""
    predictor: Predictor


class Heads:
    """The head that answers, the one before it, and the folder from which others come.

    A file that is new in the folder, or has changed, is loaded, compared with the extractor that
    runs, tried, and only then put in place, in one assignment: requests that have begun end with
    the head that they began with. What fails on the way changes nothing; `describe` says why.
    """

    def __init__(
        self,
        served: Served,
        folder: Path | None = None,
        *,
        stamps: Mapping[str, _Stamp] | None = None,
        refused: Mapping[str, str] | None = None,
        parity: str = "refuse",
        on_load: Callable[[str], None] = lambda result: None,
    ) -> None:
        """See `open_heads`.

        `stamps` and `refused` say which files of the folder have been seen, and why some of them
        were refused; by default, all that are there now have been seen.
        """
        self._served = served
        self._previous: Served | None = None
        self._folder = folder
        self._parity = parity
        self._on_load = on_load
        self._stamps = dict(self._files() if stamps is None else stamps)
        self._refused = dict(refused or {})
        self._changing = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _files(self) -> dict[str, _Stamp]:
        return {} if self._folder is None else _stamps(self._folder)

    @property
    def served(self) -> Served:
        """What answers now. To be taken once a request: one answer never mixes two heads."""
        return self._served

    def describe(self) -> list[dict[str, Any]]:
        """Every head: its file's name, its status, and its version or why it was refused.

        The status is ``active``, ``previous``, ``available`` or ``refused``.
        """
        with self._changing:
            known = {self._served.name: ("active", self._served)}
            if self._previous is not None:
                known.setdefault(self._previous.name, ("previous", self._previous))
            described = []
            for name in sorted({*known, *self._files()}):
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
        """Have another head of the folder answer.

        Raises
        ------
        RefusedError
            When there is no such head, or it is refused.
        """
        with self._changing:
            if self._folder is None:
                raise RefusedError(
                    "no_heads_folder",
                    "this server was started with one head file; start it with --heads DIR to "
                    "change between heads",
                    status=409,
                )
            files = self._files()
            if name not in files:
                raise RefusedError(
                    "head_not_found",
                    f"there is no head {name[:100]!r}; GET /heads lists those there are",
                    status=404,
                )
            self._stamps[name] = files[name]  # of no other: that one is still to be tried
            if not self._try(self._folder / name):
                raise RefusedError(
                    "head_refused", f"{self._refused[name]}; nothing has changed", status=409
                )
            return self._served

    def roll_back(self) -> Served:
        """Have the head answer that did before; the two change places.

        Raises
        ------
        RefusedError
            When there was none.
        """
        with self._changing:
            if self._previous is None:
                raise RefusedError(
                    "no_previous_head",
                    "no head has answered before this one since the server was started",
                    status=409,
                )
            self._served, self._previous = self._previous, self._served
            logger.info("rolled back to head %s", self._served.predictor.version)
            return self._served

    def look(self) -> None:
        """Try every file that is new in the folder, or has changed; the newest good one answers."""
        if self._folder is None:
            return
        with self._changing:
            found = self._files()
            for known in (self._stamps, self._refused):
                for name in known.keys() - found.keys():
                    del known[name]
            for name in sorted(found, key=lambda name: found[name]):
                if self._stamps.get(name) != found[name]:
                    self._stamps[name] = found[name]
                    self._try(self._folder / name)

    def _try(self, path: Path) -> bool:
        """Load a head and have it answer; False, with the reason noted, when it is refused."""
        try:
            predictor = self._served.predictor.with_head(path, self._parity)
            width = predictor.head.layers.n_features
            predictor.say(np.zeros((1, width), np.float32))  # what it needs is loaded now
        except (BottlebankError, OSError, ValueError, MemoryError) as error:
            self._refused[path.name] = " ".join(str(error).split())
            self._on_load("refused")
            logger.warning("head %s is refused: %s", path.name, self._refused[path.name])
            return False
        self._refused.pop(path.name, None)
        if predictor.version != self._served.predictor.version:
            self._previous = self._served
        self._served = Served(path.name, predictor)
        self._on_load("activated")
        logger.info("head %s (version %s) answers now", path.name, predictor.version)
        return True

    def watch(self, every_s: float) -> None:
        """Look at the folder from time to time, in a thread, until `close`.

        Looking is preferred to being told: notifications do not cross the borders of containers
        and network file systems.
        """
        if self._folder is None or self._thread is not None:
            return

        def look_on() -> None:
            while not self._stop.wait(every_s):
                try:
                    self.look()
                except Exception:
                    logger.exception("the folder of heads could not be looked at")

        self._thread = threading.Thread(target=look_on, name="heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread of `watch`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def open_heads(settings: Settings, on_load: Callable[[str], None] = lambda result: None) -> Heads:
    """Load the head that answers first, with its extractor.

    Raises
    ------
    UsageError
        When the settings name no head, or both a head and a folder.
    HeadFileError
        When there is none that can be loaded.
    HeadMismatchError
        As `load_predictor`.
    """
    if (settings.head is None) == (settings.heads is None):
        raise UsageError("name one head file, or a folder of them")
    folder, stamps = None, {}
    paths = [Path(settings.head or "")]
    if settings.heads is not None:
        folder = Path(settings.heads)
        if not folder.is_dir():
            raise UsageError(f"no such folder: {folder}")
        stamps = _stamps(folder)
        paths = [folder / name for name in sorted(stamps, key=lambda name: stamps[name])]
        if not paths:
            raise HeadFileError(
                f"no head file (*.h5) in {folder}: make one with "
                f"`bottlebank train DATA --output {folder / 'head.h5'}`"
            )
    refused: dict[str, str] = {}
    while True:
        path = paths.pop()  # the newest
        try:
            predictor = load_predictor(
                path,
                cache=settings.cache,
                extractor=settings.extractor,
                weights=settings.weights,
                engine=settings.engine,
                precision=settings.precision,
                parity=settings.parity,
                many=True,
            )
        except HeadFileError as error:
            if not paths:
                raise
            logger.warning("head %s is refused: %s", path.name, error)
            refused[path.name] = str(error)
            on_load("refused")
        else:
            return Heads(
                Served(path.name, predictor),
                folder,
                stamps=stamps,
                refused=refused,
                parity=settings.parity,
                on_load=on_load,
            )


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """When each head file of a folder was written, how large it is, and which it is."""
    stamps = {}
    for path in folder.glob("*.h5"):
        try:
            status = path.stat()
        except OSError:
            continue  # gone since it was listed
        if path.is_file() and not path.name.startswith("."):
            stamps[path.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return stamps
