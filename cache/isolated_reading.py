"""Exports and shards of others, read in a process of its own; see `untrusted.isolation`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CacheError, DamagedShardError
from ..untrusted.isolation import (
    STEP_S,
    DiedError,
    FailedError,
    Message,
    isolated_reader,
)
from .export_file import Export
from .keys import KeyArray
from .local_storage import LocalStorage
from .shards.shard import LARGEST_OF_OTHERS, Shard

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..untrusted.isolation import Send
    from .keys import Key

_BYTES_PER_S = 50e6  # of processor time, by far the least that hashes and copies


class CheckedExport:
    """An export of which a process of its own hands over what is in it."""

    def __init__(self, path: Path, messages: Iterator[Message]) -> None:
        """Wait for what the file says of itself."""
        self._path = path
        self._messages = messages
        about = self._next().about
        self.recipe: dict[str, Any] = about["recipe"]
        self.fingerprint: str = about["fingerprint"]
        self.variant: str = about["variant"]
        self.n_rows: int = about["n_rows"]
        self.width: int = about["width"]
        self.has_checksum: bool = about["has_checksum"]

    def verify(self) -> None:
        """Wait until all of the file has been read once.

        Raises
        ------
        CacheError
            When something in it is not as `export_rows` writes it.
        """
        while "verified" not in self._next().about:
            pass

    def rows(self) -> Iterator[tuple[list[Key], list[bytes], NDArray[np.float32]]]:
        """Keys, paths and features, float32 (m, width), of a few rows at a time; after `verify`."""
        n_rows = 0
        while n_rows < self.n_rows:
            _, (keys, ends, paths, features) = self._next()
            stops = np.frombuffer(ends, "<u8").tolist()
            n_rows += len(stops)
            packed = np.frombuffer(keys, np.uint8).reshape(len(stops), -1)
            yield (
                KeyArray.unpack(packed).to_list(),
                [paths[start:end] for start, end in zip([0, *stops], stops, strict=False)],
                np.frombuffer(features, "<f4").reshape(-1, self.width),
            )

    def _next(self) -> Message:
        try:
            return next(self._messages)
        except FailedError as error:
            raise CacheError(str(error)) from error
        except (DiedError, StopIteration) as error:
            raise CacheError(
                f"{self._path} is not an export of bottlebank ({error}): make one with "
                f"`bottlebank cache export`"
            ) from error


@contextlib.contextmanager
def open_export(path: Path) -> Generator[CheckedExport]:
    """Open a file that `export_rows` wrote.

    Raises
    ------
    CacheError
        When it is none; here, or where it is read.
    """
    with isolated_reader(__name__, read_export.__name__, str(path)) as messages:
        yield CheckedExport(path, messages)


def read_export(send: Send, path: str) -> None:
    """In the child: hand over what an export says of itself, then its rows, once all are read."""
    from pathlib import Path

    with Export(Path(path)) as export:
        send(
            {
                "recipe": export.recipe,
                "fingerprint": export.fingerprint,
                "variant": export.variant,
                "n_rows": export.n_rows,
                "width": export.width,
                "has_checksum": export.has_checksum,
            }
        )
        export.verify(lambda: send({}))
        send({"verified": True})
        for keys, paths, features in export.rows():
            ends = np.cumsum([len(each) for each in paths], dtype="<u8").tobytes()
            send({}, keys.packed().tobytes(), ends, b"".join(paths), features.tobytes())


def damage_of_shards(paths: Sequence[Path], storage: str, width: int) -> Iterator[str | None]:
    """Of each shard, what is wrong with it; None where it can be taken over.

    Parameters
    ----------
    paths
        The shards.
    storage, width
        Type and number of the transfer values of a row.
    """
    left = list(paths)
    while left:
        arguments = [storage, width, *map(str, left)]
        with isolated_reader(__name__, verify_shards.__name__, *arguments) as messages:
            try:
                for message in messages:
                    if "damage" in message.about:
                        del left[0]
                        yield message.about["damage"]
            except (DiedError, FailedError) as error:
                yield f"{left.pop(0)} is damaged ({error})"


def verify_shards(send: Send, storage: str, width: int, *paths: str) -> None:
    """In the child: hand over what is wrong with each shard."""
    from pathlib import Path

    for path in map(Path, paths):
        try:
            send({}, next_s=STEP_S + path.stat().st_size / _BYTES_PER_S)
            with Shard(LocalStorage(path.parent), path.name) as shard:
                shard.verify(LARGEST_OF_OTHERS)
                layout = shard.layout
                if layout.n_rows and (layout.dtype != storage or layout.width != width):
                    raise shard.damage(
                        f"{layout.width} numbers in {layout.dtype}; the recipe and the variant "
                        f"have {width} in {storage}"
                    )
            damage = None
        except FileNotFoundError:
            damage = f"{path} was removed meanwhile"
        except DamagedShardError as error:
            damage = str(error)
        send({"damage": damage})
