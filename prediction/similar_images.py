"""The images of a table that are most similar to another image."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import require_whole
from ..cache import CacheFolder, content_of_bytes
from ..errors import ImageRejectedError, UsageError
from ..extraction.feature_table import require_table
from ..features import open_extractor
from ..features.engines.registry import require_known
from ..features.images.decoder import MAX_PIXELS, Limits, read, require_max_pixels
from ..formatting import counted
from .head_extractor import weights_finder
from .image_inputs import named, one
from .lazy_extractor import LazyExtractor
from .nearest_rows import nearest_rows
from .predict_many import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..extraction import FeatureTable
    from ..features import Extractor
    from .image_inputs import ImageLike, Input


@dataclass(frozen=True)
class SimilarImage:
    """An image of a table that is like another one."""

    path: str
    label: str
    """Empty where it has no class."""
    similarity: float
    """Cosine of the transfer values, -1 to 1."""
    row: int
    """Of the table."""
    key: str
    """SHA-256 of the file, hexadecimal."""


@dataclass(frozen=True)
class SimilarImages:
    """The images of a table that are most similar to another one: iterate over them."""

    image: str
    """The path of the other one, or how it is called; empty where it has no name."""
    nearest: list[SimilarImage]
    """The most similar first; of equally similar ones, in the order of the table."""
    same: list[SimilarImage]
    """Those whose files have the very bytes of the image; they are not among the nearest."""

    def __iter__(self) -> Iterator[SimilarImage]:
        return iter(self.nearest)

    def __len__(self) -> int:
        return len(self.nearest)

    def __getitem__(self, position: int) -> SimilarImage:
        return self.nearest[position]

    def __repr__(self) -> str:
        lines = [
            f"<SimilarImages: {counted(len(self.nearest), 'image')}, and {len(self.same)} the same"
        ]
        lines += [f"  {each.similarity:6.3f}  {each.label}  {each.path}" for each in self.nearest]
        return "\n".join(lines) + ">"

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class _Query(NamedTuple):
    values: np.ndarray
    """float32, (width,)."""
    same: np.ndarray
    """int, (m,): rows of the table with the same content."""


def similar(
    image: ImageLike,
    table: FeatureTable,
    top: int = 10,
    *,
    engine: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> SimilarImages:
    """Find the images of a table that are most similar to an image.

    All are compared, by the cosine of their transfer values.

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
    require_known(engine, "auto")
    max_pixels = require_max_pixels(max_pixels)
    require_table(table, "bb.similar(image, {})").require_rows()
    given = one(image)
    query = _query(given, table, engine, max_pixels)
    found = nearest_rows(table.features, query.values, top + len(query.same))
    others = ~np.isin(found.rows, query.same)

    def described(row: int, similarity: float) -> SimilarImage:
        label, key = str(table.labels[row]), str(table.keys[row])
        return SimilarImage(table.paths[row], label, similarity, row, key)

    nearest = zip(found.rows[others].tolist(), found.cosines[others].tolist(), strict=True)
    return SimilarImages(
        given.name,
        [described(*each) for each in nearest][:top],
        [described(row, 1.0) for row in query.same.tolist()],
    )


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


def _query(given: Input, table: FeatureTable, engine: str, max_pixels: int) -> _Query:
    """The image's transfer values: those of the table, where it has the image; else computed."""
    data = _bytes_of(given)
    same = np.empty(0, int)
    if data is not None:
        content = content_of_bytes(data)
        same = np.array([row for row, key in enumerate(table.keys) if key.content == content], int)
    if len(same):
        return _Query(table.features[same[0]], same)
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

    late = LazyExtractor(recipe, start, instead="Extract the table in each process")
    limits = Limits(pixels=max_pixels)
    precisions = [table.report.precision]
    whole = data if data is not None else given.picture
    [[row]] = rows_of([whole], late, False, precisions, limits)  # pyright: ignore[reportArgumentType] (one of them is there)
    if row.values is None:
        raise ImageRejectedError(named(given, row.error))
    return _Query(row.values[0], same)
