"""Archives that are gone through in parts: how often each is read."""

import tarfile
from collections import Counter
from io import BytesIO

import pytest

from bottlebank.datasets.parts import archives, parts_of


@pytest.fixture
def reads(monkeypatch):
    """How often each archive is read, by its path."""
    found = Counter()
    read_members = archives.read_members

    def counted(path):
        found[path] += 1
        return read_members(path)

    monkeypatch.setattr(archives, "read_members", counted)
    return found


def pack(path, names):
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, BytesIO(b"abc"))


def named(parts):
    return [path for part in parts for path, _ in part.files()]


@pytest.mark.parametrize("is_mixed", [False, True])
def test_an_archive_with_many_folders_is_read_once(tmp_path, reads, is_mixed):
    places = [(number, at) for number in range(20) for at in range(3)]
    places.sort(key=lambda place: place[::-1] if is_mixed else place)
    names = [f"class{number:02d}/{'deep/' * (at % 2)}{at}.png" for number, at in places]
    for archive in ("one.tar", "two.tar"):
        pack(tmp_path / archive, [*names, names[0]])  # of two with one name, the last counts
    parts = parts_of(tmp_path, class_level=2)
    assert set(reads.values()) == {1}
    reads.clear()
    found = named(parts)
    paths = [f"{tmp_path / archive}/{name}" for archive in ("one.tar", "two.tar") for name in names]
    assert sorted(found) == sorted(paths)
    assert len(found) == len(parts) == 120
    assert reads == {str(tmp_path / "one.tar"): 1, str(tmp_path / "two.tar"): 1}
    assert named(parts) == found
    assert set(reads.values()) == {2}


def test_an_archive_that_changes_between_its_folders_is_read_again(tmp_path, reads):
    path = tmp_path / "one.tar"
    pack(path, ["a/0.png", "b/0.png"])
    parts = iter(parts_of(path))
    reads.clear()
    assert named([next(parts)]) == [f"{path}/a/0.png"]
    pack(path, ["a/0.png", "b/1.png", "b/2.png"])
    assert named(parts) == [f"{path}/b/1.png", f"{path}/b/2.png"]
    assert reads == {str(path): 2}


def test_an_archive_is_let_go_when_the_next_begins(tmp_path):
    for archive in ("one.tar", "two.tar"):
        pack(tmp_path / archive, ["a/0.png", "b/0.png"])
    parts = iter(parts_of(tmp_path, class_level=2))
    first, second = next(parts), next(parts)
    named([first, second])
    archive = second._images.archive
    assert archive._members is not None
    assert next(parts)._images.archive is not archive
    assert archive._members is None
