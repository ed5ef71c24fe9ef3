"""Predicting many images: looked up in the cache where they are, else read, decoded and run.

Each stage works ahead of the next by a bounded number of images and bytes, and answers come in the
order of the images, so that memory does not grow with their number.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
from typing import TYPE_CHECKING

from ..features.images.decoding_shares import Allowed
from .cached_rows import CachedRows, open_cached_rows
from .file_rows import FileRows
from .image_inputs import one_of_several
from .memory_rows import MemoryRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..features.images.decoder import Limits
    from .image_inputs import ImageLike, Input
    from .lazy_extractor import LazyExtractor
    from .rows import Row

_MANY = 1 << 20


def rows_of(
    images: Iterable[ImageLike],
    late: LazyExtractor,
    cache: object,
    precisions: Sequence[str],
    limits: Limits,
    allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
    views: Sequence[int] = (0,),
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
    allowed
        Processes and memory.
    views
        Numbers of the views of each image.
    """
    n_images = operator.length_hint(images, _MANY)
    given = map(one_of_several, images, itertools.count())
    first = list(itertools.islice(given, 2))
    with contextlib.ExitStack() as stack:
        banked = CachedRows(None, [])
        # One image is there before the cache is open or a process has started.
        is_one = len(first) < 2
        if not is_one and cache is not False:
            banked = stack.enter_context(
                open_cached_rows(cache, late.recipe.fingerprint, precisions, views)  # pyright: ignore[reportArgumentType]
            )
        rest = itertools.chain(first, given)
        if not is_one:
            # Among others, files are no matter of the workers, whose memory is all that is allowed.
            others: list[tuple[Input, str | None]] = []
            with FileRows(late, banked, limits, allowed, views) as of_files:
                yield from of_files.rows_of(_leading_files(rest, others), n_images)
            rest = itertools.chain(others, rest)
        with MemoryRows(late, banked, limits, allowed, views, is_one=is_one) as in_memory:
            yield from in_memory.rows_of(rest)


def _leading_files(
    given: Iterator[tuple[Input, str | None]], others: list[tuple[Input, str | None]]
) -> Iterator[Input]:
    """Image files, up to the first that is none, which is put among the others."""
    for image, error in given:
        if image.path is None:
            others.append((image, error))
            return
        yield image
