"""Predicting many images: looked up in the cache where they are, else read, decoded and run.

Each stage works ahead of the next by a bounded number of images and bytes, and answers come in the
order of the images, so that memory does not grow with their number.
"""

from __future__ import annotations

import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import Key, content_of_bytes
from ..errors import ImageRejectedError, UsageError
from ..extraction.image_files import size_of
from ..extraction.prefetch import groups_of, prefetch, threads
from ..features.images.colours import darkness
from ..features.images.decoder import Limits
from ..features.images.decoder_pool import DecoderPool, decode_here
from ..hardware import available_cores
from .cached_rows import CachedRows, open_cached_rows
from .image_inputs import (
    bytes_of,
    named,
    one_of_several,
    picture_in,
)
from .prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..classifier import Head
    from ..features.images.decoder_pool import Decoded
    from ..features.images.fit import Preprocessing
    from .image_inputs import ImageLike, Input
    from .lazy_extractor import LazyExtractor

_LOOKED_UP_TOGETHER = 512
_GROUP_SIZE = 64
_READERS = 4
_BYTES_AHEAD = 256 << 20


class Item(NamedTuple):
    """One image on its way: of `row`, `pixels`, `data` and `error`, what is known so far."""

    given: Input
    key: Key | None = None
    row: np.ndarray | None = None
    """Transfer values, float32 (width,)."""
    pixels: np.ndarray | None = None
    data: bytes | None = None
    error: str | None = None
    note: str | None = None
    n_bytes: int = 0

    @property
    def is_open(self) -> bool:
        """Whether there is something to read, decode or compute."""
        return self.row is None and self.error is None


class Row(NamedTuple):
    """Transfer values of one image, or why there are none."""

    given: Input
    values: np.ndarray | None
    error: str | None
    note: str | None = None
    """What may have made them of little use."""


def rows_of(
    images: Iterable[ImageLike],
    late: LazyExtractor,
    cache: object,
    precisions: Sequence[str],
    limits: Limits,
) -> Iterator[list[Row]]:
    """Transfer values of images, in order, in groups.

    Parameters
    ----------
    images
        Each as `image_inputs.one` takes it.
    late
        Computes what is not in the cache; starts before the first such image is decoded.
    cache
        The cache folder; None for the default one, False for none.
    precisions
        What cached rows may have been computed in.
    limits
        Larger pictures are rejected.
    """
    remaining = iter(images)
    first = list(itertools.islice(remaining, 2))
    recipe = late.recipe
    preprocessing = recipe.preprocessing
    n_cores = available_cores()
    n_open = max(8, late.batch_size)  # that one call of the network takes
    with contextlib.ExitStack() as stack:
        banked, decoders = CachedRows(None, []), None
        decode: Callable[[Sequence[bytes]], Decoded] = partial(
            decode_here, preprocessing=preprocessing, limits=limits
        )
        if len(first) > 1:  # one image is there before the cache or a decoder has started
            if cache is not False:
                banked = stack.enter_context(
                    open_cached_rows(cache, recipe.fingerprint, precisions)  # pyright: ignore[reportArgumentType]
                )
            decoders = stack.enter_context(DecoderPool(preprocessing, n_cores, limits=limits))
            decode = decoders.decode

        def looked_up(items: list[Item]) -> list[Item]:
            items = _looked_up_by_content(items, banked)
            if not late.is_started and any(item.is_open for item in items):
                if decoders is not None:
                    decoders.start()  # while the network starts
                late.extractor()
            return items

        def read(items: Sequence[Item]) -> list[Item]:
            return [_read(item, preprocessing) for item in items]

        found = _looked_up(itertools.chain(first, remaining), banked)
        were_read = prefetch(
            stack.enter_context(threads(_READERS)),
            read,
            groups_of(_GROUP_SIZE, found, n_bytes=lambda item: item.is_open, max_bytes=n_open),
            2 * _READERS,
            n_bytes=_size_of,
            max_bytes=_BYTES_AHEAD,
        )
        n_threads = 2 * n_cores  # some decode while others run the network
        yield from prefetch(
            stack.enter_context(threads(n_threads)),
            lambda items: _computed(items, decode, late),
            map(looked_up, were_read),
            n_threads + 1,
            n_bytes=_size_of,
            max_bytes=_BYTES_AHEAD,
        )


def predictions_of(rows: Sequence[Row], head: Head, top: int | None) -> list[Prediction]:
    """What a head predicts of rows."""
    known = [row.values for row in rows if row.values is not None]
    said = zip(*head.answer(np.stack(known)), strict=True) if known else iter(())
    predictions = []
    for row in rows:
        if row.values is None:
            predictions.append(Prediction(error=row.error, path=row.given.name))
            continue
        probabilities, unknown = next(said)
        ranked = rank(probabilities, head.classes, top)
        predictions.append(
            Prediction(ranked, unknown=bool(unknown), path=row.given.name, note=row.note)
        )
    return predictions


def rank(
    probabilities: np.ndarray, classes: Sequence[str], top: int | None
) -> list[tuple[str, float]]:
    """(label, probability) of one row of probabilities (n_classes,), the highest first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(str(classes[int(column)]), float(probabilities[column])) for column in order]


def _looked_up(images: Iterator[ImageLike], banked: CachedRows) -> Iterator[Item]:
    """Images, with the row of each whose file is known; no file is opened."""
    numbered = enumerate(images)
    while some := list(itertools.islice(numbered, _LOOKED_UP_TOGETHER)):
        items = [_begun(image, position) for position, image in some]
        keys = banked.keys_of([item.given.path for item in items])
        for item, row in zip(items, banked.rows_of(keys), strict=True):
            yield item if row is None else item._replace(row=row)


def _begun(image: ImageLike, position: int) -> Item:
    given, error = one_of_several(image, position)
    n_bytes = len(given.data or b"")
    if given.path is not None:
        n_bytes = size_of(given.path)
    return Item(given, data=given.data, error=error, n_bytes=n_bytes)


def _looked_up_by_content(items: list[Item], banked: CachedRows) -> list[Item]:
    rows = banked.rows_of([item.key if item.is_open else None for item in items])
    return [
        item if row is None else item._replace(row=row, data=None)
        for item, row in zip(items, rows, strict=True)
    ]


def _read(item: Item, preprocessing: Preprocessing) -> Item:
    if not item.is_open:
        return item
    try:
        if item.given.picture is not None:
            picture = picture_in(item.given, preprocessing)
            note = darkness(picture.kind.brightest, preprocessing.grey16)
            return item._replace(pixels=picture.pixels, note=note)
        data = item.data if item.given.path is None else bytes_of(item.given.path)
    except (ImageRejectedError, UsageError) as error:
        return item._replace(error=str(error))
    return item._replace(data=data, key=Key(content_of_bytes(data or b"")))


def _computed(
    items: Sequence[Item], decode: Callable[[Sequence[bytes]], Decoded], late: LazyExtractor
) -> list[Row]:
    """Decode and run what has no row yet, all in one call."""
    errors = [item.error for item in items]
    notes = [item.note for item in items]
    pixels = [item.pixels for item in items]
    files = [
        position for position, item in enumerate(items) if item.is_open and item.pixels is None
    ]
    if files:
        decoded = decode([items[position].data or b"" for position in files])
        rest = iter(decoded.pixels)
        for position, reason, kind in zip(files, decoded.reasons, decoded.kinds, strict=True):
            if kind is None:
                errors[position] = reason
            else:
                pixels[position] = next(rest)
                notes[position] = darkness(kind.brightest, late.recipe.grey16)
    rows = [item.row for item in items]
    to_run = [position for position, found in enumerate(pixels) if found is not None]
    if to_run:
        images = np.stack([found for found in pixels if found is not None])
        for position, values in zip(to_run, late.extractor().transfer_values(images), strict=True):
            rows[position] = values
    return [
        Row(item.given, row, error, note)
        for item, row, error, note in zip(items, rows, errors, notes, strict=True)
    ]


def _size_of(items: Sequence[Item]) -> int:
    return sum(item.n_bytes for item in items if item.row is None)


def reason_of(row: Row) -> str:
    """Why a row has no values, with the name of its image."""
    return named(row.given, row.error)
