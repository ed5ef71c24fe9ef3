"""The images of a table that are most similar to another image: once, or many times."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import received, require_whole
from ..cache import CacheFolder, KeyArray, content_of_bytes
from ..errors import ImageRejectedError, ParameterError, UsageError
from ..extraction.feature_table import require_table
from ..features import open_extractor
from ..features.engines.registry import require_known
from ..features.images.decoder import MAX_PIXELS, Limits, read, require_max_pixels
from ..formatting import mebibytes
from ..hardware import available_memory_bytes, require_memory
from .head_extractor import weights_finder
from .image_inputs import named, one
from .lazy_extractor import LazyExtractor
from .predict_many import rows_of
from .row_index import INSTALL, RowIndex, index_bytes, is_installed
from .searched_rows import RowsInCache, RowsInMemory
from .similar_images import SimilarImage, SimilarImages

if TYPE_CHECKING:
    from ..extraction import FeatureTable
    from ..features import Extractor
    from .image_inputs import ImageLike, Input

MOST_FOR_ONE = 1 << 30
"""Bytes of rows that `similar` keeps in memory."""

logger = logging.getLogger(__name__)


class _Query(NamedTuple):
    values: np.ndarray
    """float32, (width,)."""
    same: np.ndarray
    """int, (m,): rows of the table with the same content."""


class SimilarSearch:
    """Finds similar images in one table, many times. Safe to use from threads.

    What an answer needs of the table, and the network that computes transfer values of other
    images, are made ready once.

    Parameters
    ----------
    table
        From `extract`. It is searched as it is now; an image is made comparable by the table's own
        network and settings.
    engine, max_pixels
        As in `extract`.
    memory
        Up to which size the rows, 4 bytes a number, are kept in memory; beyond it, each answer
        reads all of them from the cache, in blocks. In bytes, or text such as ``"2G"``; None: half
        of what is available. Rows that the table has read already are taken as they are.
    approximate
        Whether answers come from an index, which finds nearly all of the nearest images: `recall`
        says which share. Building it takes as long as some ten thousand exact answers, so that it
        is for those who want more, of more than a million images. Without usearch, all images
        are compared, with a warning that says what to install.
    progress
        Whether a bar is shown while the index is built; None: on a terminal and in a notebook.

    Raises
    ------
    ImageRejectedError
        When no image of the table could be read.
    UsageError
        When a parameter makes no sense.

    Examples
    --------
    >>> search = bb.SimilarSearch(table)  # doctest: +SKIP
    >>> for path in paths:  # doctest: +SKIP
    ...     print(path, search.similar(path, top=3).nearest)
    """

    def __init__(
        self,
        table: FeatureTable,
        *,
        engine: str = "auto",
        max_pixels: int = MAX_PIXELS,
        memory: int | str | None = None,
        approximate: bool = False,
        progress: bool | None = None,
    ) -> None:
        require_known(engine, "auto")
        self._max_pixels = require_max_pixels(max_pixels)
        require_table(table, "bb.SimilarSearch({})").require_rows()
        if not isinstance(approximate, bool):
            raise ParameterError(
                "approximate", f"is {received(approximate)}; expected True or False"
            )
        self._table = table
        self._contents = KeyArray.of(table.keys).contents
        if approximate and not is_installed():
            approximate = False
            logger.warning(
                "warning: each image is compared with all %s, since the index needs usearch: %s",
                f"{len(table):,}",
                INSTALL,
            )
        n_bytes = 4 * len(table) * table.recipe.width
        available = available_memory_bytes()
        most = available // 2 if memory is None else require_memory("memory", memory)
        self._index: RowIndex | None = None
        self._rows: RowsInMemory | RowsInCache
        if "features" in vars(table) or n_bytes <= most:
            self._rows = RowsInMemory(table.features)
        else:
            self._rows = RowsInCache(table)
        if approximate:
            needed = index_bytes(len(table), table.recipe.width)
            allowed = available if memory is None else most
            if isinstance(self._rows, RowsInCache) or needed > available:
                raise UsageError(
                    f"an index of {len(table):,} images needs {mebibytes(n_bytes)} of memory for "
                    f"their rows and {mebibytes(needed)} beside; {mebibytes(allowed)} are "
                    f"available: expected approximate=False, or fewer images: "
                    f"table.some(rows)"
                )
            self._index = RowIndex(table.features, progress=progress)
        self._late = _extractor_of(table, engine)

    @property
    def recall(self) -> float:
        """0 to 1: the share of the ten nearest images that an answer has; 1: it is exact.

        Measured with 200 images of the table that the index did not hold yet, against all others.
        """
        return 1.0 if self._index is None else self._index.recall

    def __repr__(self) -> str:
        by = None if self._index is None else f"by an index, recall {self.recall:.3f}"
        return f"<SimilarSearch in {len(self._table):,} images, {by or self._rows.how}>"

    def similar(self, image: ImageLike, top: int = 10) -> SimilarImages:
        """Find the images that are most similar to an image: see `bottlebank.similar`."""
        top = require_whole("top", top, 1)
        given = one(image)
        query = self._query(given)
        found = (self._index or self._rows).nearest(query.values, top + len(query.same))
        others = ~np.isin(found.rows, query.same)
        nearest = zip(found.rows[others].tolist(), found.cosines[others].tolist(), strict=True)
        return SimilarImages(
            given.name,
            [self._described(*each) for each in nearest][:top],
            [self._described(row, 1.0) for row in query.same.tolist()],
            self.recall,
        )

    def _described(self, row: int, similarity: float) -> SimilarImage:
        table = self._table
        label, key = str(table.labels[row]), str(table.keys[row])
        return SimilarImage(table.paths[row], label, similarity, row, key)

    def _query(self, given: Input) -> _Query:
        """The transfer values: those of the table, where it has the image; else computed."""
        data = _bytes_of(given)
        same = np.empty(0, int)
        if data is not None:
            content = np.frombuffer(content_of_bytes(data), np.uint8)
            same = np.flatnonzero(self._contents[:, 0] == content[0])
            same = same[(self._contents[same] == content).all(axis=1)]
        if len(same):
            return _Query(self._rows.values(int(same[0])), same)
        limits = Limits(pixels=self._max_pixels)
        precisions = [self._table.report.precision]
        whole = data if data is not None else given.picture
        [[row]] = rows_of([whole], self._late, False, precisions, limits)  # pyright: ignore[reportArgumentType] (one of them is there)
        if row.values is None:
            raise ImageRejectedError(named(given, row.error))
        return _Query(row.values[0], same)


def similar(
    image: ImageLike,
    table: FeatureTable,
    top: int = 10,
    *,
    engine: str = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: int | str | None = None,
) -> SimilarImages:
    """Find the images of a table that are most similar to an image.

    All are compared, by the cosine of their transfer values. `SimilarSearch` answers faster where
    many images are compared with one table.

    Parameters
    ----------
    image
        A path, the bytes of an image file, a binary file object, a PIL image, or uint8 pixels
        (height, width, 3) in RGB. It may be one of the table: files with the same bytes are named
        apart from the others.
    table
        From `extract`. The image is made comparable by the table's own network and settings.
    top
        How many.
    engine, max_pixels
        As in `extract`.
    memory
        As in `SimilarSearch`; None: 1 GiB.

    Returns
    -------
    SimilarImages
        Fewer than `top` where the table has fewer.

    Raises
    ------
    ImageRejectedError
        When the image cannot be read or decoded, or no image of the table could be.
    UsageError
        When a parameter makes no sense.
    WeightsNotFoundError, EngineError
        When the network is needed and cannot run here.

    Examples
    --------
    >>> table = bb.extract("photos/", extractor="efficientnet_lite0")  # doctest: +SKIP
    >>> for each in bb.similar("holiday.jpg", table):  # doctest: +SKIP
    ...     print(each.similarity, each.label, each.path)
    """
    top = require_whole("top", top, 1)
    require_table(table, "bb.similar(image, {})")
    most = MOST_FOR_ONE if memory is None else memory
    search = SimilarSearch(table, engine=engine, max_pixels=max_pixels, memory=most)
    return search.similar(image, top)


def require_image(path: str) -> None:
    """Refuse what cannot be read as a file, before anything is extracted.

    Raises
    ------
    ImageRejectedError
        When there is no such file.
    UsageError
        When it is a folder.
    """
    _bytes_of(one(path))


def _bytes_of(given: Input) -> bytes | None:
    """The bytes of an image file; None of a picture."""
    if given.path is None:
        return given.data
    if os.path.isdir(given.path):  # noqa: PTH112 (any str; it need not be a path)
        raise UsageError(f"expected one image file, received the folder {given.path}")
    try:
        return read(given.path)[0]
    except ImageRejectedError as error:
        raise ImageRejectedError(named(given, error)) from error


def _extractor_of(table: FeatureTable, engine: str) -> LazyExtractor:
    """The network of a table, which starts when an image is new to it."""
    recipe, cache = table.recipe, table.report.cache

    def start() -> Extractor:
        with CacheFolder(cache, waits=False) as folder:
            find = weights_finder(recipe, folder, "the table", None, None, None)
            return open_extractor(
                recipe,
                find,
                engine=engine,
                precisions=[table.report.precision, "float32"],
                networks=folder.networks,
            )

    return LazyExtractor(recipe, start, instead="Extract the table in each process")
