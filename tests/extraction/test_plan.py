"""What is missing: by a stat of each file, then by what has been read."""

import os

import pytest

from bottlebank.cache import CacheFolder, Key, Stamp, content_of_bytes
from bottlebank.extraction.image_files import HashedFile, UnreadableFile
from bottlebank.extraction.plan import Plan


@pytest.fixture
def folder(cache):
    with CacheFolder(cache, create=True) as opened:
        yield opened


@pytest.fixture
def paths(tmp_path):
    """Five files, each with a content of its own, but for the last two."""
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"%d" % min(number, 3))
    return [str(tmp_path / f"{number}.png") for number in range(5)]


def content(number):
    return content_of_bytes(b"%d" % number)


def hashed(paths, position):
    path = paths[position]
    return HashedFile(
        position, path.encode(), content(min(position, 3)), Stamp.of(os.stat(path)), True
    )


def missing(answered):
    """A function that says that two views are missing of what has not been answered."""
    return lambda content: () if content in answered else (0, 1)


def test_only_what_the_index_knows_and_the_cache_answers_is_not_read(folder, paths):
    folder.remember_files([(paths[n], Stamp.of(os.stat(paths[n])), content(n)) for n in (0, 1)])
    plan = Plan([*paths, "gone.png"], folder, missing({content(1), content(2)}))
    assert plan.missing == [0, 2, 3, 4, 5]
    assert plan.contents == [None, content(1), None, None, None, None]
    assert [(file.position, file.n_bytes) for file in plan.files()] == [
        (0, 1), (2, 1), (3, 1), (4, 1), (5, 0),
    ]  # fmt: skip


def test_a_content_is_new_once(folder, paths):
    plan = Plan(paths, folder, missing({content(2)}))
    read = [hashed(paths, 0), UnreadableFile(1, "gone"), *(hashed(paths, n) for n in (2, 3, 4))]
    assert plan.new_views(read) == [(0, 1), (), (), (0, 1), ()]
    assert plan.new_views([hashed(paths, 0)]) == [()]
    assert plan.contents == [content(0), None, content(2), content(3), content(3)]
    assert plan.unreadable == {1: "gone"}


def test_an_image_is_done_when_all_its_views_are(folder, paths):
    plan = Plan(paths, folder, missing(set()))
    plan.new_views([hashed(paths, 0), hashed(paths, 1)])
    one, other = content(0), content(1)
    assert plan.n_done([Key(one)]) == 0
    assert plan.n_done([Key(one, 1), Key(other)]) == 1
    assert plan.n_done([Key(other, 1)]) == 1
