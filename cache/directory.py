"""A cache folder: many recipes, each with its variants, one index, and the converted networks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import platformdirs

from ..arguments import require_path
from ..atomic_file import make_folder, remove_whole, write_bytes
from ..errors import CacheError, DamagedShardError, in_brief
from ..untrusted.arrays import read_npz
from ..untrusted.files import open_regular
from ..untrusted.json_text import read_json, read_json_object
from ..untrusted.tar_members import MemberStatus, status_of
from .index import Index, Stamp, is_settled
from .keys import KeyArray, content_of_bytes
from .local_storage import LocalStorage
from .objects.address import address_of
from .objects.object_storage import open_objects
from .shards.opening import from_shard
from .store import (
    MAX_RECIPE_BYTES,
    RECIPE_FILE,
    FeatureCache,
    is_fingerprint,
)
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..untrusted.tar_members import FileStatus
    from .keys import ContentHash, Key
    from .storage import Storage

NETWORKS = "networks"
TUNED = "fine-tuned"
"""Of each weights file that `finetune` wrote, which images it has seen."""
_TRAININGS_KEPT = 20

_PARITY_ARRAYS = {"files": ("u1", 1), "lengths": ("<i8", 1), "features": ("<f4", 2)}
_TRAINING_ARRAYS = {"keys": ("u1", 2), "labels": ("u1", 1)}
_MAX_PARITY_BYTES = 1 << 24
_MAX_TRAINING_BYTES = 1 << 31
_MAX_LABELS_BYTES = 1 << 30


def default_folder() -> str | Path:
    """``$BOTTLEBANK_CACHE``, which may be a URL, or the platform's folder for caches."""
    return os.environ.get("BOTTLEBANK_CACHE") or platformdirs.user_cache_path("bottlebank")


class Damage(NamedTuple):
    """One damaged shard."""

    path: PurePath
    reason: str


class CacheFolder:
    """A cache on disk or in an object store, as a context manager that closes its index."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        create: bool = False,
        waits: bool = True,
        storage: Storage | None = None,
    ) -> None:
        """Open the cache at `root`, a folder or a URL, by default `default_folder()`.

        Shards and recipes are kept in `storage`, by default in `root` itself, or at the URL. All
        else stays in `root`, or in the folder of the URL that is on this machine.

        `waits` False is for what can do without the cache: an index that another process keeps
        locked delays it for half a second, not for 30.

        Raises
        ------
        UsageError
            When `root` is not a path, or a URL that no cache can have.
        LibraryNotFoundError
            When what speaks the protocol of the URL is not installed.
        CacheError
            When it is not a folder, or `create` is set and it cannot be created.
        """
        given = default_folder() if root is None else root
        address = address_of(given)
        self.address = str(given) if address is None else address.url
        """What opens it again, and what messages call it."""
        if address is None:
            self.root = require_path(given, "the path of a cache folder")
        else:
            self.root = address.local_folder
            storage = open_objects(address, waits=waits)
            with contextlib.suppress(OSError):  # the index is in memory then
                make_folder(self.root.absolute())
        if self.root.exists() and not self.root.is_dir():
            raise CacheError(f"the cache {self.root} is a file; --cache takes a folder")
        if self.root.exists() and not os.access(self.root, os.R_OK | os.X_OK):
            raise CacheError(
                f"the cache folder {self.root} cannot be read: Permission denied; change its "
                f"permissions, or name another with --cache"
            )
        if create and address is None:
            try:
                make_folder(self.root.absolute())
            except OSError as error:
                raise CacheError(
                    f"the cache folder {self.root} cannot be created: {error.strerror}; "
                    f"name another with --cache"
                ) from error
        self.is_local = storage is None
        """Whether what is written takes room on the disk of `root`."""
        self.storage: Storage = LocalStorage(self.root) if storage is None else storage
        self.index = Index(self.root, waits=waits)

    def __enter__(self) -> CacheFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.index.close()

    @property
    def networks(self) -> Path:
        """Where converted networks are kept."""
        return self.root / NETWORKS

    def sha256_of_file(self, path: str | Path) -> str:
        """Hexadecimal SHA-256 of a file, remembered for as long as the file does not change."""
        status = os.stat(path)  # noqa: PTH116 (names may hold surrogate escapes)
        [known] = self.known_contents([(str(path), status)])
        if known is not None:
            return known.hex()
        with open_regular(path) as file:
            status, looked_at_ns = os.fstat(file.fileno()), time.time_ns()
            content = hashlib.file_digest(file, "sha256").digest()
        stamp = Stamp.of(status)
        if is_settled(stamp, looked_at_ns):
            self.remember_files([(str(path), stamp, content)])
        return content.hex()

    def remember_network(self, sha256: str, path: str | os.PathLike[str]) -> None:
        """Note where a network in a file or folder of a person's own is, by its weights' hash."""
        self.index.remember_network(sha256, os.path.abspath(path))  # noqa: PTH100 (surrogate escapes)

    def paths_of_network(self, sha256: str) -> list[Path]:
        """Where a network with weights of this hash has been; it may have changed since."""
        return [Path(path) for path in self.index.networks(sha256)]

    def known_contents(
        self, files: Sequence[tuple[str | bytes, FileStatus]]
    ) -> list[ContentHash | None]:
        """What is remembered of each file that is still as its status says; else None."""
        return self.index.contents_of_files(files)

    def remember_files(self, files: Sequence[tuple[str | bytes, Stamp, ContentHash]]) -> None:
        """Let `known_contents` answer for these files, which are seen on this machine."""
        self.remember_folders(path for path, _, _ in files)  # first: a kill leaves none without
        self.index.remember_files(files)

    def remember_folders(self, paths: Iterable[str | bytes]) -> None:
        """Note where files are seen: `prune` removes what has gone from there, and nothing else."""
        self.index.remember_folders(paths)

    def remember_use(
        self, fingerprint: str, variant: str, images_per_second: float | None = None
    ) -> None:
        """Note that an extraction has ended now, and how fast it was where that was measured."""
        self.index.remember_use(f"{fingerprint}/{variant}", time.time(), images_per_second)

    def uses(self) -> dict[str, tuple[float, float | None]]:
        """As `Index.uses`."""
        return self.index.uses()

    def open(self, fingerprint: str, variant: str) -> FeatureCache:
        """The rows of one recipe and variant, which need not exist yet."""
        return FeatureCache(self.storage, fingerprint, variant, self.index)

    def fingerprints(self) -> list[str]:
        """The recipes that have a folder here."""
        try:
            names = [name for name in self.storage.list() if is_fingerprint(name)]
            return sorted(name for name in names if RECIPE_FILE in self.storage.below(name).list())
        except OSError as error:
            raise CacheError(f"{self.storage.where} cannot be read: {error.strerror}") from error

    def recipe(self, fingerprint: str) -> dict[str, Any]:
        """What a fingerprint stands for.

        Raises
        ------
        CacheError
            When `recipe.json` is damaged, or not there.
        """
        folder = self.storage.below(fingerprint)
        try:
            with folder.open(RECIPE_FILE) as file:
                text = file.read(MAX_RECIPE_BYTES + 1) or b""
            return read_json_object(text, MAX_RECIPE_BYTES)
        except (OSError, ValueError) as error:
            path = folder.where / RECIPE_FILE
            raise CacheError(f"{path} cannot be read: {in_brief(error)}") from error

    def keep_parity(
        self,
        fingerprint: str,
        precision: str,
        files: Sequence[bytes],
        features: NDArray[np.float32],
    ) -> None:
        """Keep what a recipe makes of synthetic image files; see `parity`."""
        buffer = io.BytesIO()
        joined = np.frombuffer(b"".join(files), np.uint8)
        lengths = np.array([len(file) for file in files], np.int64)
        np.savez(buffer, files=joined, lengths=lengths, features=features)
        path = self._parity_path(fingerprint, precision)
        with contextlib.suppress(OSError):  # a read-only cache works: it is computed again
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, buffer.getvalue())

    def parity(
        self, fingerprint: str, precision: str
    ) -> tuple[list[bytes], NDArray[np.float32]] | None:
        """Synthetic image files and their transfer values, float32 (n, width), if they are kept."""
        path = self._parity_path(fingerprint, precision)
        try:
            arrays = read_npz(path, _PARITY_ARRAYS, _MAX_PARITY_BYTES)
        except (OSError, ValueError):
            return None
        joined, lengths, features = arrays["files"], arrays["lengths"], arrays["features"]
        is_sound = 0 < len(lengths) == len(features) and (lengths > 0).all()
        if not is_sound or lengths.sum() != len(joined) or not np.isfinite(features).all():
            return None
        parts = np.split(joined, np.cumsum(lengths)[:-1])
        return [part.tobytes() for part in parts], features

    def _parity_path(self, fingerprint: str, precision: str) -> Path:
        return self.root / fingerprint / f"parity-{precision}.npz"

    def keep_training_rows(
        self, fingerprint: str, name: str, keys: Sequence[Key], labels: bytes
    ) -> None:
        """Keep which rows a head was trained on, and their labels as JSON.

        Those that were written longest ago make room.
        """
        folder = self.root / fingerprint
        with contextlib.suppress(OSError):  # a read-only cache works, without these
            _write_rows(folder / f"training-{name}.npz", keys, labels)
            kept = sorted(folder.glob("training-*.npz"), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[:-_TRAININGS_KEPT]:
                path.unlink()

    def training_rows(self, fingerprint: str, name: str) -> tuple[list[Key], list[str]] | None:
        """Keys and labels that were kept under a name; None where they are not."""
        if not re.fullmatch("[0-9a-f]{16}", name):  # it comes from a head file
            return None
        return _read_rows(self.root / fingerprint / f"training-{name}.npz")

    def keep_tuning_rows(self, weights_sha256: str, keys: Sequence[Key], labels: bytes) -> None:
        """Keep which rows the weights of a network were fine-tuned on, and their labels as JSON."""
        with contextlib.suppress(OSError):
            _write_rows(self._tuning_path(weights_sha256), keys, labels)

    def tuning_rows(self, weights_sha256: str) -> tuple[list[Key], list[str]] | None:
        """Keys and labels on which weights were fine-tuned; None where that is not known."""
        if not is_fingerprint(weights_sha256):  # it comes from a head file
            return None
        return _read_rows(self._tuning_path(weights_sha256))

    def _tuning_path(self, weights_sha256: str) -> Path:
        return self.root / TUNED / f"{weights_sha256}.npz"

    def remove_local_files(self, fingerprint: str) -> None:
        """Remove what is kept of a recipe in `root`, wherever its shards are."""
        folder = self.root / fingerprint
        for path in [*folder.glob("*.npz"), *self.networks.glob(f"{fingerprint}*")]:
            remove_whole(path)
        with contextlib.suppress(OSError):  # the shards are in it, or there is none
            folder.rmdir()

    def variants(self, fingerprint: str) -> list[str]:
        """The variants of a recipe that have shards, the one with the most rows first."""
        folder = self.storage.below(fingerprint)
        try:
            found = sorted(folder.list())
        except OSError as error:
            raise CacheError(f"{folder.where} cannot be read: {error.strerror}") from error
        names: list[str] = []
        for name in found:
            with contextlib.suppress(ValueError):  # a folder of somebody else's
                names.append(Variant.parse(name).name)
        caches = [self.open(fingerprint, name) for name in names]
        used = [cache for cache in caches if cache.shard_names()]
        used.sort(key=lambda cache: cache.n_stored, reverse=True)
        return [cache.variant for cache in used]

    def all(self) -> Iterator[FeatureCache]:
        """Every recipe and variant."""
        for fingerprint in self.fingerprints():
            for variant in self.variants(fingerprint):
                yield self.open(fingerprint, variant)

    def verify_files(self) -> Iterator[Damage | None]:
        """Hash every file that is known by size and time; yields None for one that is as known.

        A file whose bytes have changed while size, times and inode have not is forgotten, so that
        the next extraction reads it.
        """
        for path, stamp, content in self.index.files():
            try:
                status = status_of(path)
                if Stamp.of(status) != stamp:
                    continue  # it will be read anyway
                if isinstance(status, MemberStatus):
                    digest = content_of_bytes(status.read())
                else:
                    with open_regular(path) as file:
                        digest = hashlib.file_digest(file, "sha256").digest()
            except OSError:
                continue  # gone: the next extraction notices
            if digest == content:
                yield None
                continue
            self.index.forget_file(path)
            reason = "its bytes have changed, its size and time have not: it will be read again"
            yield Damage(Path(path), f"{path}: {reason}")

    def verify(self) -> Iterator[Damage | None]:
        """Check every byte of every shard; yields None for a sound one."""
        for cache in self.all():
            for name in cache.shard_names():
                path = cache.folder / name
                try:
                    from_shard(cache.storage, name, lambda shard: shard.verify(), afresh=True)
                except FileNotFoundError:
                    continue  # removed by another process
                except DamagedShardError as error:
                    cache.mark_damaged(name, str(error))
                    yield Damage(path, str(error))
                else:
                    if name in cache.damaged():
                        cache.mark_sound(name)
                    yield None


def _write_rows(path: Path, keys: Sequence[Key], labels: bytes) -> None:
    buffer = io.BytesIO()
    packed = KeyArray.of(keys).packed()
    np.savez(buffer, keys=packed, labels=np.frombuffer(labels, np.uint8))
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, buffer.getvalue())


def _read_rows(path: Path) -> tuple[list[Key], list[str]] | None:
    try:
        arrays = read_npz(path, _TRAINING_ARRAYS, _MAX_TRAINING_BYTES)
        labels = read_json(arrays["labels"].tobytes(), _MAX_LABELS_BYTES)
        keys = KeyArray.unpack(arrays["keys"]).to_list()
    except (OSError, ValueError):
        return None
    if not isinstance(labels, list) or len(keys) != len(labels):  # pyright: ignore
        return None
    if not labels or not all(type(label) is str for label in labels):  # pyright: ignore
        return None
    return keys, labels  # pyright: ignore
