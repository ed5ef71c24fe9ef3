"""What a run adds to the cache, and when."""

import os

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key, Rejection, Stamp, Variant, content_of_bytes
from bottlebank.errors import CacheLockedError
from bottlebank.extraction.image_files import HashedFile
from bottlebank.extraction.ledger import Ledger
from bottlebank.extraction.network import Features
from bottlebank.features import ExtractorSpec, recipe_for

WIDTH = 512
LIMITED = "9×9 pixels, more than the 4 in all that are read; --max-pixels raises the limit"
OF_THE_MACHINE = "too little memory to decode it"


@pytest.fixture
def folder(cache):
    with CacheFolder(cache, create=True) as opened:
        yield opened


@pytest.fixture
def ledger(folder):
    """Opens a ledger, again and again."""
    recipe, _ = recipe_for(ExtractorSpec("random"))

    def open_ledger(*, retry=False):
        return Ledger(folder, recipe, Variant("float32"), commit_every=100, retry_rejected=retry)

    return open_ledger


def content(name):
    return content_of_bytes(name.encode())


def images(*names, **reasons):
    """Rows of some images, and rejections of others."""
    return Features(
        [Key(content(name)) for name in names],
        [name.encode() for name in names],
        np.full((len(names), WIDTH), 3, np.float32),
        [None] * len(names),
        [Rejection(content(name), name.encode(), reason) for name, reason in reasons.items()],
    )


def test_rows_and_rejections_are_there_when_the_block_is_left(ledger):
    reasons = {"torn": "truncated", "large": LIMITED, "greedy": OF_THE_MACHINE}
    with ledger() as writing:
        assert not writing.has_rows
        writing.keep(images("a", "b", **reasons))
        assert writing.has_rows
        assert all(ledger().missing_views(content(name)) == [0] for name in ("a", "torn"))
    assert writing.extracted == {Key(content("a")), Key(content("b"))}
    assert writing.rejected == {content(name): reason for name, reason in reasons.items()}

    names = ("a", "b", "torn", "greedy", "large", "x")
    again, retried = ledger(), ledger(retry=True)
    assert [bool(again.missing_views(content(name))) for name in names] == [False] * 4 + [True] * 2
    assert [bool(retried.missing_views(content(name))) for name in names] == [False] * 3 + [
        True
    ] * 3
    assert again.rejected == {content("torn"): "truncated", content("greedy"): OF_THE_MACHINE}


def test_what_was_kept_before_a_failure_is_committed(ledger):
    def fail_after_a_row():
        with ledger() as writing:
            writing.keep(images("a"))
            raise ZeroDivisionError("late")

    with pytest.raises(ZeroDivisionError, match="late"):
        fail_after_a_row()
    assert not ledger().missing_views(content("a"))


def test_the_lock_is_taken_at_the_first_row_and_given_back(ledger):
    with ledger() as first, ledger() as second:
        first.keep(images("a"))
        with pytest.raises(CacheLockedError, match=f"process {os.getpid()}"):
            second.writer()
    with ledger() as third:
        third.writer()


def test_files_are_remembered_unless_they_may_still_change(ledger, folder, tmp_path):
    files = []
    for name in ("old", "fresh"):
        (tmp_path / name).write_text(name)
        stamp = Stamp.of(os.stat(tmp_path / name))
        files.append(HashedFile(0, str(tmp_path / name), content(name), stamp, name == "old"))
    with ledger() as writing:
        writing.remember(files)
    known = folder.known_contents([(file.path, os.stat(file.path)) for file in files])
    assert known == [content("old"), None]
