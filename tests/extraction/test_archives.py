"""Images in tar archives have the rows of the same images in folders."""

import os
import subprocess
import time

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, content_of_bytes
from bottlebank.extraction import careful_worker
from bottlebank.extraction.earlier import going_on
from bottlebank.extraction.maintenance import prune
from bottlebank.extraction.worker import Worker
from bottlebank.untrusted import tar_members


def pack(folder, path, *options):
    """An archive of a folder, as old as is known by its times."""
    subprocess.run(["tar", "-C", folder, *options, "--sort=name", "-cf", path, "."], check=True)
    time.sleep(0.03)
    return path


def extract(data, cache, **settings):
    settings = {"engine": "openvino", "precision": "float32", **settings}
    return bb.extract(bb.load_dataset(data), "random", cache=cache, **settings)


@pytest.fixture
def archive(photos, tmp_path):
    return pack(photos, tmp_path / "photos.tar")


@pytest.fixture
def nothing_is_read(monkeypatch):
    def refuse(*_):
        raise AssertionError("a file was read")

    def forbid():
        monkeypatch.setattr(careful_worker, "read", refuse)
        monkeypatch.setattr(Worker, "start", refuse)
        monkeypatch.setattr(tar_members.MemberStatus, "read", refuse)

    return forbid


@pytest.mark.parametrize("form", ["gnu", "posix", "ustar"])
def test_rows_are_those_of_the_files(photos, cache, tmp_path, converted_random, form):
    path = pack(photos, tmp_path / "photos.tar", f"--format={form}")
    of_archive = extract(path, cache)
    other = tmp_path / "other"
    (other / "networks").parent.mkdir()
    os.symlink(converted_random, other / "networks")
    of_folder = extract(photos, other)
    assert of_archive.features.tobytes() == of_folder.features.tobytes()
    assert list(of_archive.keys) == list(of_folder.keys)
    assert list(of_archive.labels) == list(of_folder.labels)
    assert of_archive.report.extracted == 60
    assert [os.path.relpath(name, path) for name in of_archive.paths] == [
        os.path.relpath(name, photos) for name in of_folder.paths
    ]
    assert extract(photos, cache).report.cached == 60


def test_the_second_run_reads_nothing(archive, cache, nothing_is_read):
    first = extract(archive, cache)
    nothing_is_read()
    second = extract(archive, cache)
    assert second.report.cached == 60
    assert np.array_equal(first.features, second.features)


def test_the_same_archive_under_a_relative_path_is_known(
    archive, cache, nothing_is_read, monkeypatch
):
    extract(archive, cache)
    nothing_is_read()
    monkeypatch.chdir(archive.parent)
    assert extract(archive.name, cache).report.cached == 60


def test_another_archive_of_the_same_names_is_read_again(photos, archive, cache):
    """Also where sizes and the time of writing are those of before."""
    before = archive.stat()
    first = extract(archive, cache)
    for kind in ("stripes", "checks"):
        (photos / kind).rename(photos / f"was {kind}")
    (photos / "was stripes").rename(photos / "checks")
    (photos / "was checks").rename(photos / "stripes")
    pack(photos, archive)
    os.utime(archive, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.03)
    second = extract(archive, cache)
    assert sorted(second.keys) == sorted(first.keys)
    kinds = {
        kind: [key for key, label in zip(table.keys, table.labels, strict=True) if label == kind]
        for table, kind in ((first, "stripes"), (second, "checks"))
    }
    assert kinds["stripes"] == kinds["checks"]


def test_an_archive_cut_off_gives_what_is_whole(archive, cache):
    dataset = bb.load_dataset(archive)
    of_last = tar_members.status_of(dataset.paths[-1])
    os.truncate(archive, of_last.offset + of_last.st_size - 1)
    table = extract(archive, cache)
    assert (table.report.extracted, table.report.rejected) == (59, 1)
    [(path, reason)] = table.rejected
    assert path == str(archive)
    assert "it ends 1 bytes too early" in reason


def test_a_broken_image_in_an_archive_is_rejected_by_its_path(photos, cache, tmp_path):
    (photos / "disc" / "00.png").write_bytes(b"no image")
    (photos / "disc" / "01.png").write_bytes(b"")
    path = pack(photos, tmp_path / "photos.tar")
    table = extract(path, cache)
    assert [name for name, _ in table.rejected] == [
        f"{path}/disc/00.png",
        f"{path}/disc/01.png",
    ]
    assert table.report.extracted == 58


def test_an_archive_replaced_after_it_was_listed_is_not_read_at_the_old_places(
    photos, archive, cache
):
    dataset = bb.load_dataset(archive)
    for file in (photos / "disc").iterdir():
        file.unlink()
    (photos / "disc" / "00.png").write_bytes((photos / "checks" / "00.png").read_bytes())
    pack(photos, archive)
    table = bb.extract(dataset, "random", cache=cache, engine="openvino", precision="float32")
    assert table.report.rejected == 19
    assert {reason for _, reason in table.rejected} == {
        "cannot be read: no such file in the archive"
    }
    places = dict(zip(table.paths, table.keys, strict=True))
    assert places[f"{archive}/disc/00.png"] == places[f"{archive}/checks/00.png"]


def test_prune_and_verify(archive, cache, photos):
    """Rows of an archive that is there stay; those of one that was deleted go."""
    other = pack(photos / "disc", archive.parent / "disc.tar")
    extract(archive, cache)
    extract(other, cache)
    for file in photos.rglob("*.png"):
        file.unlink()
    with CacheFolder(cache, create=True) as folder:
        assert [found for found in folder.verify() if found is not None] == []
        assert prune(folder, None).recipes == []
        archive.unlink()
        [recipe] = prune(folder, None).recipes
        assert recipe["rows_removed"] == 40
        prune(folder, None, do=True)
        other.unlink()
        [recipe] = prune(folder, None).recipes
        assert recipe["rows_removed"] == 20


def test_prune_keeps_rows_where_the_folder_of_the_archive_is_not_there(archive, cache, tmp_path):
    """A disk that is not mounted takes its archives with it."""
    (tmp_path / "disk").mkdir()
    away = tmp_path / "disk" / "photos.tar"
    archive.rename(away)
    extract(away, cache)
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    with CacheFolder(cache, create=True) as folder:
        plan = prune(folder, None).recipes
    assert all(recipe["rows_removed"] == 0 for recipe in plan)


def test_verify_names_a_member_whose_bytes_have_changed_behind_its_times(archive, cache):
    table = extract(archive, cache)
    place = tar_members.status_of(table.paths[5])
    with CacheFolder(cache, create=True) as folder:
        before = archive.read_bytes()
        with archive.open("r+b") as file:
            file.seek(place.offset + place.st_size - 1)
            file.write(bytes([before[place.offset + place.st_size - 1] ^ 1]))
        now = archive.stat()
        changed = now.st_mtime_ns, now.st_ctime_ns, now.st_ino
        for path, stamp, content in folder.index.files():
            looked = tar_members.status_of(path)
            assert (looked.st_mtime_ns, looked.st_ctime_ns, looked.st_ino) == changed
            assert stamp.ctime_ns != looked.st_ctime_ns
            assert (content_of_bytes(looked.read()) == content) == (path != table.paths[5])


def test_going_on_without_an_extractor(archive, cache, photos):
    """Known by their times; and, where the archive has another name, by what they hold."""
    extract(archive, cache)
    with CacheFolder(cache, create=True) as folder:
        assert going_on.banked(bb.load_dataset(archive), folder, {}).n_images == 60
        archive.rename(archive.parent / "renamed.tar")
        renamed = bb.load_dataset(archive.parent / "renamed.tar")
        assert going_on.banked(renamed, folder, {}).n_images > 0


def test_webdataset_trains(photos, cache, tmp_path):
    """Shards with the classes of folders give the head of the folders."""
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, file in enumerate(sorted(photos.rglob("*.png"))):
        (flat / f"{number:05d}.png").write_bytes(file.read_bytes())
        (flat / f"{number:05d}.cls").write_text(file.parent.name)
    table = extract(pack(flat, tmp_path / "shard-0000.tar"), cache)
    assert list(table.labels) == list(extract(photos, cache).labels)
    accuracies = [
        bb.train_head(each).evaluations["test"].accuracy for each in (table, extract(photos, cache))
    ]
    assert accuracies[0] == accuracies[1] > 0.8
