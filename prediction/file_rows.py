"""Transfer values of many image files: from the cache, else by workers and the network."""

from __future__ import annotations

import contextlib
import itertools
import stat
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..extraction.image_files import HashedFile, ImageFile
from ..extraction.network import features_of
from ..extraction.stage_timing import Waiting
from ..extraction.workers import Workers
from ..features.images.colours import darkness
from ..untrusted.tar_members import MemberStatus, status_of
from .image_inputs import folder_error
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..cache import ContentHash
    from ..extraction.image_files import UnreadableFile
    from ..extraction.network import Features
    from ..features.images.decoder import Limits
    from ..features.images.decoding_shares import Allowed
    from .cached_rows import CachedRows
    from .image_inputs import Input
    from .lazy_extractor import LazyExtractor

_LOOKED_UP_TOGETHER = 512
_MOST_IN_LINE = 4096


@dataclass(eq=False, slots=True)
class _InLine:
    """An image file whose turn to be answered has not come."""

    given: Input
    values: dict[int, np.ndarray]
    """Of each view that is known: float32, (width,)."""
    error: str | None = None
    note: str | None = None


class FileRows(contextlib.AbstractContextManager["FileRows"]):
    """Answers for image files in their order, however many there are.

    Files whose rows are in the cache, by path and `stat` or by content, are not decoded. Of equal
    files that are on their way at the same time, one is.
    """

    def __init__(
        self,
        late: LazyExtractor,
        banked: CachedRows,
        limits: Limits,
        allowed: Allowed,
        views: Sequence[int] = (0,),
    ) -> None:
        """Prepare; nothing runs before a file has to be read."""
        self._late, self._banked, self._views = late, banked, views
        self._waiting = Waiting()
        self._workers = Workers(late.recipe, limits.pixels, self._waiting, allowed, len(views))
        self._line: deque[_InLine] = deque()
        self._unread: dict[int, _InLine] = {}
        """By the number under which the workers have them."""
        self._begun: dict[ContentHash, list[_InLine]] = {}
        """The files of each content that is being decoded or computed."""
        self._numbers = itertools.count()

    def __enter__(self) -> FileRows:
        self._workers.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.__exit__(*exception)

    def rows_of(self, files: Iterator[Input], n_files: int) -> Iterator[list[Row]]:
        """Rows in the order of the files, in groups.

        Parameters
        ----------
        files
            Each with a path. Drawn from as far ahead as the workers, and the line of those that
            wait for them, need.
        n_files
            How many these are, as far as is known.
        """
        while (first := next(files, None)) is not None:
            files = itertools.chain([first], files)
            with (
                contextlib.closing(
                    self._workers.pixels(
                        self._to_read(files),
                        n_files,
                        self._is_known,
                        self._new_views,
                        self._begin,
                    )
                ) as pixels,
                contextlib.closing(
                    features_of(pixels, self._late.extractor, self._waiting)
                ) as features,
            ):
                for images in features:
                    self._answer(images)
                    yield self._answered()
            yield self._answered()
            assert not self._line, "an image has no answer"

    def _to_read(self, files: Iterator[Input]) -> Iterator[ImageFile]:
        """Files that the cache does not know by their `stat`; none once the line is long."""
        while len(self._line) < _MOST_IN_LINE:
            some = list(itertools.islice(files, _LOOKED_UP_TOGETHER))
            if not some:
                return
            paths = [given.path or "" for given in some]
            known = self._banked.views_of(self._banked.contents_of(paths))
            for given, path, values in zip(some, paths, known, strict=True):
                image = _InLine(given, values)
                self._line.append(image)
                if self._is_answered(image):
                    continue
                n_bytes, member = 0, None
                with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
                    status = status_of(path)
                    n_bytes = status.st_size
                    member = status if isinstance(status, MemberStatus) else None
                    if stat.S_ISDIR(status.st_mode):
                        image.error = folder_error(path)
                        continue
                number = next(self._numbers)
                self._unread[number] = image
                yield ImageFile(number, path, n_bytes, member)

    def _is_known(self, content: ContentHash) -> bool:
        return content in self._begun or self._banked.has(content)

    def _new_views(self, files: Sequence[HashedFile | UnreadableFile]) -> list[Sequence[int]]:
        contents = [file.content if isinstance(file, HashedFile) else None for file in files]
        new: list[Sequence[int]] = []
        for file, values in zip(files, self._banked.views_of(contents), strict=True):
            image = self._unread.pop(file.position)
            image.values = values
            missing: Sequence[int] = ()
            if not isinstance(file, HashedFile):
                image.error = file.reason
            elif not self._is_answered(image):
                if file.content not in self._begun:
                    missing = [view for view in self._views if view not in values]
                self._begun.setdefault(file.content, []).append(image)
            new.append(missing)
        return new

    def _begin(self) -> None:
        if not self._late.is_started:
            self._workers.start()  # while the network starts
            self._late.extractor()

    def _answer(self, images: Features) -> None:
        grey16 = self._late.recipe.grey16
        for key, row, brightest in zip(images.keys, images.features, images.brightest, strict=True):
            first, *others = self._begun[key.content]
            first.values[key.view] = row
            first.note = first.note or darkness(brightest, grey16)
            if self._is_answered(first):
                for image in others:
                    image.values, image.note = first.values, first.note
                del self._begun[key.content]
        for rejection in images.rejections:
            for image in self._begun.pop(rejection.content):
                image.error = rejection.reason

    def _answered(self) -> list[Row]:
        rows: list[Row] = []
        while self._line and self._is_answered(self._line[0]):
            image = self._line.popleft()
            values = None
            if image.error is None:
                values = np.stack([image.values[view] for view in self._views])
            rows.append(Row(image.given, values, image.error, image.note))
        return rows

    def _is_answered(self, image: _InLine) -> bool:
        return image.error is not None or len(image.values) == len(self._views)
