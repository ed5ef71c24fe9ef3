"""Rejected images beyond the first are in a temporary file, for which there may be no room."""

import errno
import gc
import tempfile

import pytest

from bottlebank.errors import TemporaryFileError
from bottlebank.extraction.parts import rejections
from bottlebank.extraction.parts.rejections import Rejections

MANY = [(f"{at}.png", "it is no image") for at in range(10)]


@pytest.fixture(autouse=True)
def few_are_held(monkeypatch):
    monkeypatch.setattr(rejections, "_HELD", 3)


@pytest.fixture
def full_disk(monkeypatch):
    opened = []

    def full(*arguments, **options):
        opened.append(open("/dev/full", "w"))  # noqa: SIM115
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    return opened


def test_they_are_kept_in_order():
    found = Rejections(MANY)
    assert list(found) == list(found) == MANY
    assert len(found) == 10
    found.extend(MANY[:1])
    assert list(found) == [*MANY, MANY[0]]


def test_without_a_folder_for_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    found = Rejections(MANY[:3])
    with pytest.raises(TemporaryFileError, match="none: No such file or directory; make room"):
        found.extend(MANY[3:])
    assert list(found) == MANY[:3]


def test_a_disk_that_is_full_when_the_file_is_written(full_disk):
    found = Rejections()
    with pytest.raises(TemporaryFileError, match="No space left on device; make room there"):
        found.extend(MANY * 10_000)


def test_a_disk_that_is_full_when_they_are_gone_through(full_disk):
    found = Rejections(MANY)
    with pytest.raises(TemporaryFileError, match="set TMPDIR to another folder") as failure:
        list(found)
    assert failure.value.__cause__.errno == errno.ENOSPC


@pytest.mark.filterwarnings("error")
def test_a_full_disk_is_no_matter_when_they_are_dropped(full_disk):
    found = Rejections(MANY)
    del found
    gc.collect()
    assert full_disk[0].closed
