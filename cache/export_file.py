"""The file that `import_export.export_rows` writes, read as what others may have made of it."""

# h5py publishes no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from ..errors import CacheError, in_brief
from ..untrusted.hdf5 import PlainFile, named, read_finite
from ..untrusted.json_text import read_json_object
from .keys import KeyArray
from .shards.shard import LARGEST_OF_OTHERS, too_large
from .store import MAX_RECIPE_BYTES
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .keys import Key

_ROWS_AT_ONCE = 2048
_BYTES_AT_ONCE = 1 << 24
_MAX_PATH_BYTES = 1 << 15
_COLUMNS = {"features": ("<f4", 2), "keys": ("u1", 2)}
_VIEWS = "views"
_STRINGS = ("paths", "labels", "split")
_ATTRIBUTES = {"fingerprint", "recipe", "variant"}
CHECKSUM = "xxh3"
"""Attribute with the `Checksum` of all arrays and other attributes; up to 0.1.0 there is none."""


class Checksum:
    """XXH3 of named arrays and texts, each of which may come in pieces."""

    def __init__(self) -> None:
        """Of nothing yet."""
        self._parts: dict[str, xxhash.xxh3_64] = {}

    def add(self, name: str, piece: bytes | memoryview) -> None:
        """Add the next bytes of what has that name."""
        self._parts.setdefault(name, xxhash.xxh3_64()).update(piece)

    def add_strings(self, name: str, strings: Iterable[bytes]) -> None:
        """Add the next strings of a column."""
        for string in strings:
            self.add(name, b"%d:%b" % (len(string), string))

    def value(self) -> int:
        """The checksum of everything that was added."""
        parts = [f"{name} {part.hexdigest()}" for name, part in sorted(self._parts.items())]
        return xxhash.xxh3_64_intdigest("\n".join(parts).encode())


class Export:
    """A file that `export_rows` wrote, open for reading; a context manager.

    HDF5 can crash on what others write: `isolated_reading.open_export` reads it in a child process.

    Raises
    ------
    CacheError
        On opening and on every call, when it holds anything else.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; only metadata is read."""
        self._path = path
        with self._reading():
            self._file = PlainFile(path, [*_COLUMNS, _VIEWS, *_STRINGS])
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
        self.has_checksum = file.has_attribute(CHECKSUM)
        self._checksum = file.number(CHECKSUM, "<u8") if self.has_checksum else None
        file.require_attributes(_ATTRIBUTES | ({CHECKSUM} if self.has_checksum else set()))
        self._features = file.array("features", *_COLUMNS["features"])
        self._keys = file.array("keys", *_COLUMNS["keys"])
        self._views = file.array(_VIEWS, "<u4", 1) if _VIEWS in file.names else None
        self._strings = {name: file.strings(name) for name in _STRINGS if name in file.names}
        self.n_rows: int
        self.width: int
        self.n_rows, self.width = self._features.shape
        shapes = {self._keys.shape[:1], *(column.shape for column in self._strings.values())}
        shapes |= set() if self._views is None else {self._views.shape}
        if not self.n_rows or not self.width or self._keys.shape[1] != 32:
            raise ValueError(
                f"features and keys have the shapes {self._features.shape} and {self._keys.shape}"
            )
        if shapes != {(self.n_rows,)}:
            raise ValueError(f"its columns have other lengths than its {self.n_rows} rows")
        self._texts = {
            name: file.text(name, most, may_vary=True)
            for name, most in (("recipe", MAX_RECIPE_BYTES), ("fingerprint", 64), ("variant", 100))
        }
        self.recipe = read_json_object(self._texts["recipe"], MAX_RECIPE_BYTES)
        self.fingerprint = self._texts["fingerprint"].decode()
        self.variant = Variant.parse(self._texts["variant"].decode()).name
        self._rows_at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // (4 * self.width)))

    def rows(self) -> Iterator[tuple[KeyArray, list[bytes], NDArray[np.float32]]]:
        """Keys, paths and features, float32 (m, width), of a few rows at a time."""
        for start in range(0, self.n_rows, self._rows_at_once):
            part = slice(start, start + self._rows_at_once)
            with self._reading():
                features = read_finite(self._features, part)
                if (np.abs(features) > LARGEST_OF_OTHERS).any():
                    raise ValueError(too_large(features))
                paths = [bytes(path) for path in self._strings["paths"][part]]
                if any(len(path) > _MAX_PATH_BYTES for path in paths):
                    raise ValueError(f"a path has more than {_MAX_PATH_BYTES} bytes")
                contents = self._keys[part]
                views = np.zeros(len(contents), np.uint32)
                keys = KeyArray(contents, views if self._views is None else self._views[part])
            yield keys, paths, features

    def verify(self, on_part: Callable[[], object] = lambda: None) -> None:
        """Read all that the file holds; equal keys with other values are refused.

        Parameters
        ----------
        on_part
            Called after each few rows.
        """
        seen: dict[Key, int] = {}
        checksum = Checksum()
        for name, text in self._texts.items():
            checksum.add(f"attribute {name}", text)
        for keys, paths, features in self.rows():
            checksum.add("keys", keys.contents.data.cast("B"))
            if self._views is not None:
                checksum.add(_VIEWS, keys.views.data.cast("B"))
            checksum.add_strings("paths", paths)
            checksum.add("features", np.ascontiguousarray(features).data.cast("B"))
            for key, row in zip(keys.to_list(), features, strict=True):
                digest = xxhash.xxh3_64_intdigest(row.data)
                if seen.setdefault(key, digest) != digest:
                    raise CacheError(
                        f"{self._path} is not an export of bottlebank (two rows of the image "
                        f"{str(key)[:12]} differ): export it again"
                    )
            on_part()
        for name in self._strings.keys() - {"paths"}:
            for start in range(0, self.n_rows, _ROWS_AT_ONCE):
                with self._reading():
                    column = self._strings[name][start : start + _ROWS_AT_ONCE]
                    checksum.add_strings(name, map(bytes, column))
                on_part()
        if self._checksum not in (None, checksum.value()):
            raise CacheError(
                f"{self._path} is damaged (its checksum is not that of what it holds): export it "
                f"again"
            )

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
            raise CacheError(
                f"{self._path} is not an export of bottlebank ({in_brief(error)}): "
                f"make one with `bottlebank cache export`"
            ) from error
