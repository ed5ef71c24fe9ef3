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
    """
    n_images = operator.length_hint(images, _MANY)
    given = map(one_of_several, images, itertools.count())
    with contextlib.ExitStack() as stack:
        first = list(itertools.islice(given, 2))
        if len(first) < 2:  # it is there before the cache is open or a process has started
            alone = MemoryRows(late, CachedRows(None, []), limits, allowed, is_one=True)
            yield from stack.enter_context(alone).rows_of(first)
            return
        banked = CachedRows(None, [])
        if cache is not False:
            banked = stack.enter_context(
                open_cached_rows(cache, late.recipe.fingerprint, precisions)  # pyright: ignore[reportArgumentType]
            )
        in_memory = stack.enter_context(MemoryRows(late, banked, limits, allowed))
        of_files = stack.enter_context(FileRows(late, banked, limits, allowed))
        for is_file, some in itertools.groupby(itertools.chain(first, given), _is_file):
            if is_file:
                yield from of_files.rows_of((image for image, _ in some), n_images)
            else:
                yield from in_memory.rows_of(some)


def _is_file(given: tuple[Input, str | None]) -> bool:
    return given[0].path is not None
