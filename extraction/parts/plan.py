"""What is missing of a dataset in parts; each part is forgotten when its images are done."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

from ...cache.keys import HASH_BYTES
from ...datasets.parts.hashes import SeenHashes
from ...untrusted.tar_members import MemberStatus
from ..image_files import HashedFile, ImageFile, UnreadableFile
from ..plan import LOOKED_UP_TOGETHER, Plan, look_up
from .rejections import Rejections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...cache import CacheFolder, ContentHash, Key, Rejection
    from ...datasets.parts import Part, Parts
    from ...untrusted.tar_members import FileStatus
    from .rolling_ledger import RollingLedger


class _InHand:
    """A part whose images are being read or computed; `rejected`, when all are done.

    The part itself, which may hold many rows, is there as long as they are not.
    """

    def __init__(self, part: Part | None, rejected: list[tuple[str, str]] | None = None) -> None:
        self.part = part
        self.paths: list[str] = []
        self.contents: list[ContentHash | None] = []
        self.unreadable: dict[int, str] = {}
        self.is_listed = False
        self.n_waiting = 0
        """Images that are not read yet, or whose contents are being computed."""
        self.rejected = rejected


class _Begun:
    """A content that is being computed."""

    def __init__(self, n_views: int) -> None:
        self.n_views = n_views
        self.waiting: dict[int, tuple[_InHand, int]] = {}
        """Images with this content, by position: their parts, and their places in them."""


class PlanInParts(Plan):
    """As `Plan`, for a dataset in parts.

    Attributes
    ----------
    rejected
        What has no row, of the parts that are done, and why.
    n_images, n_rows, n_extracted
        Images, those of them that have rows, and contents that were computed now.
    """

    def __init__(self, parts: Parts, folder: CacheFolder, ledger: RollingLedger) -> None:
        """Nothing is looked up before `files` is gone through."""
        self._parts, self._folder, self._ledger = parts, folder, ledger
        self.note_known: Callable[[int], object] = lambda n_images: None
        """Called with how many images are known to be done already."""
        self.rejected = Rejections(parts.unreadable)
        self.n_images = len(parts.unreadable)
        self.n_rows = self.n_extracted = 0
        self._seen = SeenHashes()
        self._in_hand: deque[_InHand] = deque()
        self._reading: dict[int, tuple[_InHand, int]] = {}
        self._in_work: dict[ContentHash, _Begun] = {}
        self._position = 0
        self._gone: set[str] = set()

    @property
    def n_missing(self) -> int:
        """At most so many have to be read."""
        return self._parts.n_images

    @property
    def n_different(self) -> int:
        """Different contents that have rows."""
        return len(self._seen)

    def files(self) -> Iterator[ImageFile]:
        """The files that have to be read; parts that are known are passed over."""
        for part in self._parts:
            if not self._pass_over(part):
                yield from self._files_of(part)

    def _pass_over(self, part: Part) -> bool:
        """Whether all images of a part are known to be done; they are counted then."""
        remembered = self._parts.recall(part)
        if remembered is None:
            return False
        about, contents = remembered
        n_images = len(contents) // HASH_BYTES
        named = about.get("rejected")
        if not isinstance(named, dict) or len(contents) % HASH_BYTES:
            return False
        rejected: list[tuple[str, str]] = []
        if named or not self._ledger.has_all(contents):
            for position, content in enumerate(_contents_of(contents)):
                if self._ledger.missing_views(content):
                    return False
                reason = self._ledger.why_not(content)
                name = named.get(str(position))
                if reason is None:
                    continue
                if not isinstance(name, str):
                    return False  # it has to be named
                rejected.append((part.path_of(name), reason))
        for content in _contents_of(contents):
            if not rejected or self._ledger.why_not(content) is None:
                self._seen.add(content)
        self.n_images += n_images
        self.n_rows += n_images - len(rejected)
        self._in_hand.append(_InHand(None, rejected))
        self._let_go()
        self.note_known(n_images)
        return True

    def _files_of(self, part: Part) -> Iterator[ImageFile]:
        in_hand = _InHand(part)
        self._in_hand.append(in_hand)
        files = part.files()
        while True:
            try:
                some = [*itertools.islice(files, LOOKED_UP_TOGETHER)]
            except OSError as error:  # it is gone since it was looked through
                assert part.place is not None
                reason = f"the archive cannot be read: {error.strerror}"
                if part.place.path not in self._gone:  # once, however many parts it has
                    self._gone.add(part.place.path)
                    part.unreadable = [*part.unreadable, (part.place.path, reason)]
                some = []
            if not some:
                break
            missing = self._look_up_in(in_hand, part, some)
            in_hand.n_waiting += len(missing)
            n_known = len(some) - len(missing)
            if n_known:
                self.note_known(n_known)
            for file, index in missing:
                self._reading[file.position] = (in_hand, index)
                yield file
        in_hand.is_listed = True
        self._count_if_done(in_hand)

    def _look_up_in(
        self, in_hand: _InHand, part: Part, some: Sequence[tuple[str, FileStatus | None]]
    ) -> list[tuple[ImageFile, int]]:
        """Note the contents of files that are known; the others, with their places in the part."""
        first = len(in_hand.paths)
        in_hand.paths += [path for path, _ in some]
        statuses, known = look_up(some, self._folder)
        if not all(
            isinstance(each, MemberStatus) and part.is_of(each) for each in statuses.values()
        ):
            part.place = None  # it has changed, or holds files
        missing: list[tuple[ImageFile, int]] = []
        for place, (path, _) in enumerate(some):
            content = known.get(place)
            if content is not None and not self._ledger.missing_views(content):
                in_hand.contents.append(content)
                continue
            in_hand.contents.append(None)
            status = statuses.get(place)
            member = status if isinstance(status, MemberStatus) else None
            n_bytes = 0 if status is None else status.st_size
            missing.append((ImageFile(self._position, path, n_bytes, member), first + place))
            self._position += 1
        return missing

    def is_known(self, content: ContentHash) -> bool:
        """Whether a content has been answered, or is being computed."""
        return content in self._in_work or not self._ledger.missing_views(content)

    def _new_views(self, file: HashedFile | UnreadableFile) -> Sequence[int]:
        in_hand, index = self._reading.pop(file.position)
        in_hand.n_waiting -= 1
        views: Sequence[int] = ()
        if isinstance(file, UnreadableFile):
            in_hand.unreadable[index] = file.reason
        else:
            content = in_hand.contents[index] = file.content
            begun = self._in_work.get(content)
            if begun is None:
                views = self._ledger.missing_views(content)
                if views:
                    begun = self._in_work[content] = _Begun(len(views))
            if begun is not None:
                begun.waiting[file.position] = in_hand, index
                in_hand.n_waiting += 1
        self._count_if_done(in_hand)
        return views

    def n_done(self, keys: Sequence[Key], rejections: Sequence[Rejection] = ()) -> int:
        """As of `Plan`."""
        n_done = 0
        for key in keys:
            begun = self._in_work[key.content]
            begun.n_views -= 1
            if not begun.n_views:
                n_done += 1
                self._finish(key.content)
        self.n_extracted += n_done
        for rejection in rejections:
            self._finish(rejection.content)
        return n_done + len(rejections)

    def is_done(self, content: ContentHash) -> bool:
        """As of `Plan`."""
        return content not in self._in_work

    def is_begun(self, content: ContentHash) -> bool:
        """As of `Plan`."""
        return content in self._in_work

    def take_back(self, content: ContentHash, positions: Sequence[int]) -> None:
        """As of `Plan`."""
        waiting = self._in_work.pop(content).waiting
        assert waiting.keys() == set(positions)
        self._reading |= waiting
        for in_hand, index in waiting.values():
            in_hand.contents[index] = None

    def count_extracted(self) -> None:
        """As of `Plan`."""
        self.n_extracted += 1

    def n_unfinished(self) -> int:
        """As of `Plan`; parts that are not done count as well."""
        return len(self._in_work) + len(self._reading) + len(self._in_hand)

    def _finish(self, content: ContentHash) -> None:
        for in_hand, _ in self._in_work.pop(content).waiting.values():
            in_hand.n_waiting -= 1
            self._count_if_done(in_hand)

    def _count_if_done(self, in_hand: _InHand) -> None:
        if in_hand.n_waiting or not in_hand.is_listed or in_hand.rejected is not None:
            return
        assert in_hand.part is not None
        in_hand.rejected = self._counted(in_hand, in_hand.part)
        in_hand.part, in_hand.paths, in_hand.contents = None, [], []
        self._let_go()

    def _let_go(self) -> None:
        """Of the first parts, those that are done; so what is rejected is in their order."""
        while self._in_hand and (rejected := self._in_hand[0].rejected) is not None:
            self.rejected.extend(rejected)
            self._in_hand.popleft()

    def _counted(self, done: _InHand, part: Part) -> list[tuple[str, str]]:
        """Count the images of a part, and remember it; what is rejected of it."""
        rejected = list(part.unreadable)
        self.n_images += len(rejected) + len(done.paths)
        named: dict[int, str] = {}
        for index, (path, content) in enumerate(zip(done.paths, done.contents, strict=True)):
            reason = done.unreadable[index] if content is None else self._ledger.why_not(content)
            if reason is not None:
                named[index] = part.name_of(path)
                rejected.append((path, reason))
            elif content is not None:
                self._seen.add(content)
                self.n_rows += 1
        known = [content for content in done.contents if content is not None]
        if part.place is not None and known and len(known) == len(done.paths):
            about = {**part.about(), "rejected": named}
            self._parts.memory.remember(part.place, about, b"".join(known))
        return rejected


def _contents_of(packed: bytes) -> Iterator[ContentHash]:
    return (packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES))
