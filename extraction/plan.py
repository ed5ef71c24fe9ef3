"""What is missing: which images of a dataset have to be read, and which contents are new."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..paths import absolute_paths
from ..untrusted.tar_members import MemberStatus, status_of
from .image_files import HashedFile, ImageFile, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..cache import CacheFolder, ContentHash, Key, Rejection
    from ..untrusted.tar_members import FileStatus

LOOKED_UP_TOGETHER = 2048


def look_up(
    files: Sequence[tuple[str, FileStatus | None]], folder: CacheFolder
) -> tuple[dict[int, FileStatus], dict[int, ContentHash]]:
    """What is known of files by a `stat` of each, without reading them.

    Parameters
    ----------
    files
        Paths, with their status where that is known already.
    folder
        Whose index is asked; it remembers the folders that files and archives are in.

    Returns
    -------
    tuple
        The status of those that have one, and the content of those that have not changed, both by
        their place in `files`.
    """
    found: dict[int, FileStatus] = {}
    for place, (path, status) in enumerate(files):
        with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
            found[place] = status_of(path) if status is None else status
    paths = absolute_paths(files[place][0] for place in found)
    pairs = list(zip(paths, found.values(), strict=True))
    archives = {status.archive for status in found.values() if isinstance(status, MemberStatus)}
    others = [path for path, status in pairs if not isinstance(status, MemberStatus)]
    folder.remember_folders([*others, *absolute_paths(archives)])
    contents = zip(found, folder.known_contents(pairs), strict=True)
    return found, {place: content for place, content in contents if content is not None}


class Plan:
    """What is known of each image of a dataset.

    Attributes
    ----------
    contents
        The hash of each image's bytes; None while it is not known, and where it cannot be read.
    unreadable
        Why files cannot be read, by position.
    missing
        Positions of the images that have to be read.
    """

    def __init__(
        self,
        paths: Sequence[str],
        folder: CacheFolder,
        missing_views: Callable[[ContentHash], Sequence[int]],
    ) -> None:
        """Settle, by a `stat` of each file, what needs not be read.

        Parameters
        ----------
        paths
            Of the images.
        folder
            Whose index knows the contents of files that have not changed.
        missing_views
            Which views of a content have no row; none where there is a reason for that.
        """
        self._paths = paths
        self._missing_views = missing_views
        self._begun: dict[ContentHash, int] = {}
        self._sizes: dict[int, int] = {}
        self._members: dict[int, MemberStatus] = {}
        self.contents: list[ContentHash | None] = [None] * len(paths)
        self.unreadable: dict[int, str] = {}
        for start in range(0, len(paths), LOOKED_UP_TOGETHER):
            some = [(path, None) for path in paths[start : start + LOOKED_UP_TOGETHER]]
            statuses, contents = look_up(some, folder)
            for place, status in statuses.items():
                self._sizes[start + place] = status.st_size
                if isinstance(status, MemberStatus):
                    self._members[start + place] = status
            for place, content in contents.items():
                if not missing_views(content):
                    self.contents[start + place] = content
        self.missing = [
            position for position, content in enumerate(self.contents) if content is None
        ]

    @property
    def n_missing(self) -> int:
        """How many images have to be read."""
        return len(self.missing)

    def files(self) -> Iterator[ImageFile]:
        """The files that have to be read."""
        for position in self.missing:
            path, n_bytes = self._paths[position], self._sizes.pop(position, 0)
            yield ImageFile(position, path, n_bytes, self._members.pop(position, None))

    def is_known(self, content: ContentHash) -> bool:
        """Whether a content has been answered, or is being computed."""
        return content in self._begun or not self._missing_views(content)

    def new_views(self, files: Sequence[HashedFile | UnreadableFile]) -> list[Sequence[int]]:
        """Note what has been read; the views of each file's content that are to be computed."""
        return [self._new_views(file) for file in files]

    def _new_views(self, file: HashedFile | UnreadableFile) -> Sequence[int]:
        if isinstance(file, UnreadableFile):
            self.unreadable[file.position] = file.reason
            return ()
        self.contents[file.position] = file.content
        if file.content in self._begun:
            return ()
        views = self._missing_views(file.content)
        if views:
            self._begun[file.content] = len(views)
        return views

    def n_done(self, keys: Sequence[Key], rejections: Sequence[Rejection] = ()) -> int:
        """Note rows that have been computed, and images that cannot be; how many are done now."""
        n_done = len(rejections)
        for rejection in rejections:
            self._begun[rejection.content] = 0
        for key in keys:
            self._begun[key.content] -= 1
            n_done += self._begun[key.content] == 0
        return n_done

    def is_done(self, content: ContentHash) -> bool:
        """Whether all rows of a content that was begun are computed."""
        return self._begun.get(content) == 0

    def is_begun(self, content: ContentHash) -> bool:
        """Whether rows of a content are being computed."""
        return self._begun.get(content, 0) > 0

    def take_back(self, content: ContentHash, positions: Sequence[int]) -> None:
        """Note that files of a content will be read again, since who had begun with it is gone."""
        self._begun.pop(content, None)
        for position in positions:
            self.contents[position] = None

    def count_extracted(self) -> None:
        """Count a content that was computed by who was thought lost: its rows are in the ledger."""

    def n_unfinished(self) -> int:
        """Contents that are begun and not done."""
        return sum(n_views > 0 for n_views in self._begun.values())
