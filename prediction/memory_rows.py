"""Transfer values of images in memory, and of files among them: bytes, pictures and arrays."""

from __future__ import annotations

import contextlib
import itertools
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import content_of_bytes
from ..errors import ImageRejectedError, UsageError
from ..extraction.prefetch import groups_of, prefetch, threads
from ..features.images.colours import darkness
from ..features.images.decoder_pool import SHARED_BYTES, DecoderPool, decode_here
from ..features.images.decoding_shares import shares_of
from ..untrusted.tar_members import status_of
from .image_inputs import bytes_of, picture_in
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..cache import ContentHash
    from ..features.images.decoder import Limits
    from ..features.images.decoding_shares import Allowed
    from ..features.images.fit import Preprocessing
    from .cached_rows import CachedRows
    from .image_inputs import Input
    from .lazy_extractor import LazyExtractor

_READERS = 4
_AHEAD_BYTES = 8 << 20
"""For each process that decodes, of what has been read, and of what it is about to decode."""


class Item(NamedTuple):
    """One image on its way: of `values`, `pixels`, `data` and `error`, what is known so far."""

    given: Input
    content: ContentHash | None = None
    values: np.ndarray | None = None
    """Transfer values of all views, float32 (n, width)."""
    known: Mapping[int, np.ndarray] = MappingProxyType({})
    """Those of some views, by number, float32 (width,) each."""
    pixels: np.ndarray | None = None
    """Of all views, uint8 (n, height, width, 3)."""
    data: bytes | None = None
    error: str | None = None
    note: str | None = None
    n_bytes: int = 0
    """What it has in memory, or will have once it is read."""

    @property
    def is_open(self) -> bool:
        """Whether there is something to read, decode or compute."""
        return self.values is None and self.error is None


class MemoryRows(contextlib.AbstractContextManager["MemoryRows"]):
    """Answers for images in memory, in their order, however many there are."""

    def __init__(
        self,
        late: LazyExtractor,
        banked: CachedRows,
        limits: Limits,
        allowed: Allowed,
        views: Sequence[int] = (0,),
        *,
        is_one: bool = False,
    ) -> None:
        """Prepare; nothing runs before an image has to be decoded.

        Where it `is_one`, no process is started for it.
        """
        self._late, self._banked, self._views = late, banked, views
        preprocessing = late.recipe.preprocessing
        shares = shares_of(allowed, SHARED_BYTES + 2 * _AHEAD_BYTES)
        self._n_decoders = shares.n_workers
        self._decoders = DecoderPool(
            preprocessing,
            shares.n_workers,
            limits=limits,
            memory_bytes=shares.worker_bytes,
            large_bytes=shares.large_bytes,
        )
        self._decode = self._decoders.decode
        if is_one:
            self._decode = partial(decode_here, preprocessing=preprocessing, limits=limits)
        self._is_one = is_one

    def __exit__(self, *exception: object) -> None:
        self._decoders.close()

    def rows_of(self, images: Iterable[tuple[Input, str | None]]) -> Iterator[list[Row]]:
        """Rows in the order of the images, in groups; for those that have a reason, that is it."""
        preprocessing = self._late.recipe.preprocessing
        # That one call of the network takes.
        n_together = max(1, max(8, self._late.batch_size) // len(self._views))
        n_threads = 2 * self._n_decoders  # some decode while others run the network
        items = itertools.starmap(_begun, images)
        with threads(_READERS) as readers, threads(n_threads) as others:
            were_read = prefetch(
                readers,
                lambda items: [_read(item, preprocessing, self._views) for item in items],
                groups_of(n_together, items),
                2 * _READERS,
                n_bytes=_size_of,
                max_bytes=self._n_decoders * _AHEAD_BYTES,
            )
            yield from prefetch(
                others,
                self._computed,
                map(self._looked_up, were_read),
                n_threads + 1,
                n_bytes=_size_of,
                max_bytes=self._n_decoders * _AHEAD_BYTES,
            )

    def _looked_up(self, items: Sequence[Item]) -> list[Item]:
        """Items, with the rows that the cache has; starts what the others need."""
        known = self._banked.views_of([item.content if item.is_open else None for item in items])
        found: list[Item] = []
        for item, values in zip(items, known, strict=True):
            if item.is_open and len(values) == len(self._views):
                found.append(item._replace(values=self._in_order(values), data=None))
            else:
                found.append(item._replace(known=values))
        if not self._late.is_started and any(item.is_open for item in found):
            if not self._is_one:
                self._decoders.start()  # while the network starts
            self._late.extractor()
        return found

    def _computed(self, items: Sequence[Item]) -> list[Row]:
        """Decode and run what has no row yet, all in one call."""
        errors = [item.error for item in items]
        notes = [item.note for item in items]
        pixels = {n: item.pixels for n, item in enumerate(items) if item.pixels is not None}
        missing = [[view for view in self._views if view not in item.known] for item in items]
        files = [n for n, item in enumerate(items) if item.is_open and item.pixels is None]
        if files:
            decoded = self._decode(
                [items[n].data or b"" for n in files], views=[missing[n] for n in files]
            )
            start = 0
            for n, reason, kind in zip(files, decoded.reasons, decoded.kinds, strict=True):
                if kind is None:
                    errors[n] = reason
                else:
                    pixels[n] = decoded.pixels[start : start + len(missing[n])]
                    start += len(missing[n])
                    notes[n] = darkness(kind.brightest, self._late.recipe.grey16)
        values = [item.values for item in items]
        if pixels:
            computed = self._late.extractor().transfer_values(np.concatenate([*pixels.values()]))
            start = 0
            for n in pixels:
                end = start + len(missing[n])
                of_views = dict(zip(missing[n], computed[start:end], strict=True))
                values[n] = self._in_order({**items[n].known, **of_views})
                start = end
        return [
            Row(item.given, of_item, error, note)
            for item, of_item, error, note in zip(items, values, errors, notes, strict=True)
        ]

    def _in_order(self, values: Mapping[int, np.ndarray]) -> np.ndarray:
        """Transfer values of all views, float32 (n, width)."""
        return np.stack([values[view] for view in self._views])


def _begun(given: Input, error: str | None) -> Item:
    n_bytes = len(given.data or b"")
    if given.path is not None:
        with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
            n_bytes = status_of(given.path).st_size
    return Item(given, data=given.data, error=error, n_bytes=n_bytes)


def _read(item: Item, preprocessing: Preprocessing, views: Sequence[int]) -> Item:
    """Bytes with their content's hash, or the pixels of a picture."""
    if not item.is_open:
        return item
    try:
        if item.given.picture is not None:
            picture = picture_in(item.given, preprocessing, views)
            note = darkness(picture.kind.brightest, preprocessing.grey16)
            return item._replace(pixels=picture.pixels, note=note)
        data = item.data if item.given.path is None else bytes_of(item.given.path)
    except (ImageRejectedError, UsageError) as error:
        return item._replace(error=str(error))
    return item._replace(data=data, content=content_of_bytes(data or b""))


def _size_of(items: Sequence[Item]) -> int:
    return sum(item.n_bytes for item in items if item.values is None)
