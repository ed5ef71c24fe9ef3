import errno
import io
import itertools
import os
import shutil
import sqlite3
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key, Stamp, identity, lock
from bottlebank.cache.import_export import Described, import_shards
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.pruning import prune
from bottlebank.cache.pruning.prune import carry_out, plan, remove_recipe
from bottlebank.cache.shards.shard_writer import Rows, write_shard
from bottlebank.errors import CacheError, CacheLockedError
from bottlebank.untrusted.tar_members import status_of

from .faults import shard_paths
from .memory_storage import MemoryStorage

PRINT = "f" * 64


def row(number: int) -> np.ndarray:
    return np.full(8, number + 0.5, np.float32)


def key(number: int) -> Key:
    return Key(number.to_bytes(32, "big"))


@pytest.fixture
def folder(tmp_path):
    """Rows 0 to 9 in five shards, and rejections 20 and 21; each with its image file."""
    photos = tmp_path / "photos"
    photos.mkdir()
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        cache = folder.open(PRINT, "float32")
        with cache.writer({}, commit_every_rows=2) as writer:
            for number in range(10):
                path = photos / f"{number}.jpg"
                path.touch()
                writer.add(key(number), str(path).encode(), row(number))
            for number in (20, 21):
                path = photos / f"{number}.jpg"
                path.touch()
                writer.reject(key(number).content, str(path).encode(), "torn")
        see(folder, photos)
        yield folder


def see(folder, photos):
    """What an extraction remembers of images named by number."""
    found = [
        (str(path), Stamp.of(path.stat()), key(int(path.stem)).content) for path in photos.iterdir()
    ]
    folder.remember_files(found)


def contents(folder) -> dict[bytes, float]:
    cache = folder.open(PRINT, "float32")
    keys = cache.keys()
    return dict(zip(keys, cache.rows(keys)[:, 0].tolist(), strict=True)) if keys else {}


def test_a_plan_changes_nothing(folder, tmp_path):
    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    before = {path: path.read_bytes() for path in cache.folder.iterdir()}
    planned = plan(folder, cache)
    assert (planned.rows_removed, planned.rejections_removed) == (1, 0)
    assert {path: path.read_bytes() for path in cache.folder.iterdir()} == before


def test_rows_and_rejections_of_images_that_are_gone_go(folder, tmp_path):
    for number in (3, 4, 20):
        (tmp_path / "photos" / f"{number}.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    carry_out(cache, plan(folder, cache))
    assert contents(folder) == {key(n): n + 0.5 for n in (0, 1, 2, 5, 6, 7, 8, 9)}
    again = folder.open(PRINT, "float32")
    assert again.rejection(key(20).content) is None
    assert again.rejection(key(21).content) == "torn"
    assert len(shard_paths(again)) == 1  # small shards are merged
    assert all(found is None for found in folder.verify())
    assert plan(folder, again).is_empty


def test_an_image_that_was_seen_elsewhere_keeps_its_row(folder, tmp_path):
    original = tmp_path / "photos" / "3.jpg"
    moved = original.rename(tmp_path / "moved.jpg")
    folder.remember_files([(str(moved), Stamp.of(moved.stat()), key(3).content)])
    planned = plan(folder, folder.open(PRINT, "float32"))
    assert planned.rows_removed == 0


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_of_an_image_in_several_places_each_counts(folder, tmp_path, monkeypatch, at_once):
    """Image 3 is in one of them, 4 in none, 5 in none and a folder is away; of 6 one is left."""
    monkeypatch.setattr(prune, "_FILES_AT_ONCE", at_once)
    for name in ("a", "z"):
        (tmp_path / name).mkdir()
        for number in (3, 4, 5, 6):
            (tmp_path / name / f"{number}.jpg").touch()
        see(folder, tmp_path / name)
    for number in (3, 4, 5, 6):
        (tmp_path / "photos" / f"{number}.jpg").unlink()
    for name, number in (("a", 3), ("a", 4), ("z", 4), ("z", 6)):
        (tmp_path / name / f"{number}.jpg").unlink()
    (tmp_path / "a" / "5.jpg").rename(tmp_path / "photos" / "5.jpg")
    (tmp_path / "photos" / "5.jpg").unlink()
    (tmp_path / "z" / "5.jpg").unlink()
    assert pruned(folder) == (2, 0, 0, 0)
    (tmp_path / "z" / "3.jpg").rename(tmp_path / "a" / "3.jpg")
    (tmp_path / "z").rmdir()
    assert pruned(folder) == (0, 0, 2, 0)


def test_rows_that_one_shard_has_twice_go(folder):
    cache = folder.open(PRINT, "float32")
    with cache.writer({}, commit_every_rows=5) as writer:
        for number in (30, 31, 30, 3, 31):
            writer.add(key(number), b"elsewhere", row(number))
    planned = plan(folder, folder.open(PRINT, "float32"))
    assert planned.rows_removed == 3
    assert len(planned.keys) == 12
    assert {key(n) in planned.keys for n in (0, 9, 30, 31)} == {True}
    carry_out(cache, planned)
    assert contents(folder) == {key(n): n + 0.5 for n in (*range(10), 30, 31)}
    assert folder.open(PRINT, "float32").n_stored == 12


def pruned(folder):
    """Rows and rejections that are removed, then those that are kept though nothing is found."""
    planned = plan(folder, folder.open(PRINT, "float32"))
    return planned[2:6]


def test_what_was_never_seen_here_is_kept(folder, tmp_path):
    """As after an import, or when the index is lost: the images may be on another machine."""
    with CacheFolder(tmp_path / "mine", create=True) as mine:
        import_shards(mine, folder.root, lambda recipe: Described(PRINT, 8))
        assert pruned(mine) == (0, 0, 0, 0)
        for path in (tmp_path / "photos").iterdir():
            path.unlink()
        assert pruned(mine) == (0, 0, 10, 2)
        carry_out(mine.open(PRINT, "float32"), plan(mine, mine.open(PRINT, "float32")))
        assert len(contents(mine)) == 10
    assert pruned(folder) == (10, 2, 0, 0)


def test_images_in_a_folder_that_is_not_there_are_kept(folder, tmp_path):
    (tmp_path / "photos").rename(tmp_path / "away")
    assert pruned(folder) == (0, 0, 10, 2)
    (tmp_path / "away").rename(tmp_path / "photos")
    (tmp_path / "photos" / "3.jpg").unlink()
    assert pruned(folder) == (1, 0, 0, 0)


def test_images_on_a_disk_that_is_not_mounted_are_kept(folder, tmp_path, monkeypatch):
    """The folder under the mount point is there, and empty; on another machine it is as well."""
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    assert pruned(folder) == (10, 2, 0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(identity.os, "statvfs", another_disk(os.statvfs))
        assert pruned(folder) == (0, 0, 10, 2)
        folder.remember_folders([str(tmp_path / "photos" / "new.jpg")])
        assert pruned(folder) == (0, 0, 10, 2), "two disks have been there"
    assert pruned(folder) == (0, 0, 10, 2)


def another_disk(statvfs):
    return lambda folder: SimpleNamespace(f_fsid=statvfs(folder).f_fsid + 1)


def test_images_on_a_machine_cloned_from_the_same_disk_are_kept(folder, tmp_path, monkeypatch):
    """It has the file systems and inodes of this one, and the index where the cache is copied."""
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    shutil.copytree(folder.root, tmp_path / "copy")
    monkeypatch.setattr(identity, "this_machine", lambda: b"another machine!")
    with CacheFolder(tmp_path / "copy") as copy:
        assert pruned(copy) == (0, 0, 10, 2)
        copy.remember_folders([str(tmp_path / "photos" / "new.jpg")])
        assert pruned(copy) == (0, 0, 10, 2), "two machines have it"


def test_images_in_a_folder_that_another_has_replaced_are_kept(folder, tmp_path):
    """As when a container mounts another folder of the same disk there."""
    photos = tmp_path / "photos"
    photos.rename(tmp_path / "elsewhere")
    photos.mkdir()
    assert pruned(folder) == (0, 0, 10, 2)
    folder.remember_folders([str(photos / "new.jpg")])
    assert pruned(folder) == (0, 0, 10, 2), "two folders have been there"


def test_a_place_that_only_its_file_system_was_noted_of_is_not_believed(folder, tmp_path):
    """As indexes had it before."""
    photos = tmp_path / "photos"
    for path in photos.iterdir():
        path.unlink()
    number = os.statvfs(photos).f_fsid.to_bytes(8, "big")
    with sqlite3.connect(folder.root / "index.sqlite") as database:
        database.execute("UPDATE seen SET place=?", (number,))
    database.close()
    assert pruned(folder) == (0, 0, 10, 2)


def test_files_that_were_remembered_without_a_place_do_not_count_as_seen(folder, tmp_path):
    """An earlier version has noted no places, and the folder is another one now."""
    root = tmp_path / "of an earlier version"
    shutil.copytree(folder.root, root)
    with sqlite3.connect(root / "index.sqlite") as database:
        database.execute("DROP TABLE seen")
        database.execute("DROP TABLE tried")
        database.execute("PRAGMA user_version=6")
    database.close()
    (tmp_path / "photos" / "3.jpg").unlink()
    with CacheFolder(root) as upgraded:
        see(upgraded, tmp_path / "photos")
        assert pruned(upgraded) == (0, 0, 1, 0)
        (tmp_path / "photos" / "4.jpg").unlink()
        assert pruned(upgraded) == (1, 0, 1, 0)


def test_an_image_at_two_places_goes_when_it_is_gone_from_both(folder, tmp_path):
    usb = tmp_path / "usb"
    usb.mkdir()
    shutil.copy(tmp_path / "photos" / "3.jpg", usb)
    see(folder, usb)
    (tmp_path / "photos" / "3.jpg").unlink()
    assert pruned(folder) == (0, 0, 0, 0)
    usb.rename(tmp_path / "pulled out")
    assert pruned(folder) == (0, 0, 1, 0)
    (tmp_path / "pulled out" / "3.jpg").unlink()
    (tmp_path / "pulled out").rename(usb)
    assert pruned(folder) == (1, 0, 0, 0)


def test_damaged_shards_are_removed(folder):
    cache = folder.open(PRINT, "float32")
    path = shard_paths(cache)[1]
    data = bytearray(path.read_bytes())
    data[data.find(row(2).tobytes()) + 1] ^= 1
    path.write_bytes(data)
    planned = plan(folder, cache)
    assert planned.damaged == [path.name]
    carry_out(cache, planned)
    assert contents(folder) == {key(n): n + 0.5 for n in (0, 1, 4, 5, 6, 7, 8, 9)}
    assert folder.open(PRINT, "float32").damaged() == {}


def test_rows_that_two_shards_have_are_kept_once(folder, tmp_path):
    cache = folder.open(PRINT, "float32")
    with cache.writer({}) as writer:
        writer.add(key(0), str(tmp_path / "photos" / "0.jpg").encode(), row(0))
    planned = plan(folder, cache)
    assert planned.rows_removed == 1
    carry_out(cache, planned)
    assert len(contents(folder)) == 10


def test_a_kill_before_the_old_shards_go_loses_nothing(folder, tmp_path, monkeypatch):
    from pathlib import Path

    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    planned = plan(folder, cache)

    def die(self, missing_ok=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            carry_out(cache, planned)
    assert {key(n) for n in range(10)} == set(contents(folder))
    again = folder.open(PRINT, "float32")
    carry_out(again, plan(folder, again))
    assert contents(folder) == {key(n): n + 0.5 for n in range(10) if n != 3}


def test_a_shard_with_a_number_beyond_counting_costs_no_rows(folder, tmp_path):
    cache = folder.open(PRINT, "float32")
    # As an import of other versions left it, and what those versions wrote after it.
    for number, path in zip((10**18 - 1, 10**18), shard_paths(cache)[:2], strict=True):
        path.rename(path.with_name(f"{number}{path.name[6:]}"))
    (tmp_path / "photos" / "30.jpg").touch()
    with cache.writer({}) as writer:
        writer.add(key(30), str(tmp_path / "photos" / "30.jpg").encode(), row(30))
    everything = {key(n): n + 0.5 for n in [*range(10), 30]}
    assert contents(folder) == everything
    see(folder, tmp_path / "photos")
    (tmp_path / "photos" / "0.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    carry_out(cache, plan(folder, cache))
    del everything[key(0)]
    assert contents(folder) == everything
    assert all(found is None for found in folder.verify())


def test_nothing_is_removed_unless_what_is_written_anew_is_found(folder, tmp_path, monkeypatch):
    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    before = set(cache.shard_names())
    for fault, why in [
        (
            lambda *_: SimpleNamespace(name="none"),
            "0 of 11 rows are found again. Nothing has been rem",
        ),
        (full, "No space left on device. Nothing has been removed"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr("bottlebank.cache.pruning.prune.write_shard", fault)
            with pytest.raises(CacheError, match=why):
                carry_out(cache, plan(folder, cache))
        assert set(cache.shard_names()) == before
    shard_paths(cache)[0].unlink()
    planned = plan(folder, cache)
    shard_paths(cache)[0].unlink()
    with pytest.raises(CacheError, match=r"run the command again. Nothing has been removed"):
        carry_out(cache, planned)


def full(storage, number, rows):
    write_shard(storage, number, rows)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("order", [*itertools.permutations(("rows", "rejections", "nothing"))])
def test_shards_of_any_kind_are_merged_in_any_order(tmp_path, order):
    """Shards of rows, of rejections alone, and of rows whose images have all gone."""
    photos = tmp_path / "photos"
    photos.mkdir()
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        cache = folder.open(PRINT, "float32")
        for number, kind in enumerate(order):
            path = photos / f"{number}.jpg"
            path.touch()
            with cache.writer({}) as writer:
                if kind == "rejections":
                    writer.reject(key(number).content, str(path).encode(), "torn")
                else:
                    writer.add(key(number), str(path).encode(), row(number))
        see(folder, photos)
        (photos / f"{order.index('nothing')}.jpg").unlink()
        carry_out(cache, plan(folder, cache))
        kept = order.index("rows")
        assert contents(folder) == {key(kept): kept + 0.5}
        again = folder.open(PRINT, "float32")
        assert again.rejection(key(order.index("rejections")).content) == "torn"
        assert len(shard_paths(again)) == 1
        assert all(found is None for found in folder.verify())


@pytest.mark.parametrize("error", [ValueError("a mistake"), MemoryError(), KeyboardInterrupt()])
def test_whatever_goes_wrong_leaves_no_row_twice(folder, tmp_path, monkeypatch, error):
    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    before = set(cache.shard_names())

    def fail(storage, number, rows):
        write_shard(storage, number, rows)
        raise error

    monkeypatch.setattr("bottlebank.cache.pruning.prune.write_shard", fail)
    with pytest.raises(type(error)):
        carry_out(cache, plan(folder, cache))
    assert set(cache.shard_names()) == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP])
def test_an_image_that_cannot_be_looked_at_is_not_gone(folder, tmp_path, monkeypatch, number):
    looked = os.lstat

    def refused(path, *more, **settings):
        if os.fspath(path).endswith(".jpg"):
            raise OSError(number, os.strerror(number))
        return looked(path, *more, **settings)

    monkeypatch.setattr(os, "lstat", refused)
    planned = plan(folder, folder.open(PRINT, "float32"))
    assert (planned.rows_removed, planned.rejections_removed) == (0, 0)
    assert planned.rows_kept == 10


@pytest.mark.parametrize("n_bytes", [0, 700, 1600])
def test_an_archive_that_is_not_whole_has_not_lost_its_images(tmp_path, n_bytes):
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as opened:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = 5
            opened.addfile(member, io.BytesIO(b"12345"))
    whole = archive.read_bytes()
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        cache = folder.open(PRINT, "float32")
        found = []
        with cache.writer({}) as writer:
            for number in range(3):
                path = f"{archive}/{number}.jpg"
                writer.add(key(number), path.encode(), row(number))
                found.append((path, Stamp.of(status_of(path)), key(number).content))
        folder.remember_files(found)
        folder.remember_folders([str(archive)])
        assert pruned(folder)[0] == 0
        archive.write_bytes(whole[:n_bytes])
        assert pruned(folder)[0] == 0
        archive.write_bytes(whole)
        assert pruned(folder) == (0, 0, 0, 0)
        archive.unlink()
        assert pruned(folder)[0] == 3


def test_what_another_process_has_removed_meanwhile_ends_it(folder, tmp_path):
    """A row that two shards have: the other one goes between the plan and its execution."""
    cache = folder.open(PRINT, "float32")
    with cache.writer({}) as writer:
        writer.add(key(0), str(tmp_path / "photos" / "0.jpg").encode(), row(0))
    planned = plan(folder, cache)
    shard_paths(cache)[0].unlink()
    before = set(cache.shard_names())
    with pytest.raises(CacheError, match="removed shards of .* meanwhile: run the command again"):
        carry_out(cache, planned)
    assert set(cache.shard_names()) == before
    assert key(0) in contents(folder)


def test_what_went_while_it_was_planned_is_not_counted_on(folder, tmp_path, monkeypatch):
    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    listed = cache.shard_names()
    with monkeypatch.context() as patch:
        patch.setattr(cache, "shard_names", lambda: [*listed, "000099-0123456789abcdef.h5"])
        planned = plan(folder, cache)
    assert planned.shards == {*listed}
    carry_out(cache, planned)
    assert contents(folder) == {key(n): n + 0.5 for n in range(10) if n != 3}


def test_a_shard_of_a_newer_version_is_kept(folder, monkeypatch, caplog):
    cache = folder.open(PRINT, "float32")
    with monkeypatch.context() as patch, cache.writer({}) as writer:
        patch.setattr("bottlebank.cache.shards.shard_writer.FORMAT", 2)
        writer.add(key(40), b"elsewhere", row(40))
        writer.commit()
    planned = plan(folder, folder.open(PRINT, "float32"))
    assert planned.damaged == []
    assert "a newer bottlebank has written it; update this one" in caplog.text
    before = set(cache.shard_names())
    carry_out(cache, planned)
    assert max(before) in cache.shard_names()


def test_half_precision_stays_half_precision(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        cache = folder.open(PRINT, "float32-float16")
        for number in (1, 2):
            (tmp_path / str(number)).touch()
            with cache.writer({}) as writer:
                writer.add(key(number), str(tmp_path / str(number)).encode(), row(number))
        carry_out(cache, plan(folder, cache))
        (path,) = shard_paths(cache)
        from bottlebank.cache.shards.shard import Shard

        with Shard(LocalStorage(path.parent), path.name) as shard:
            assert shard.layout.dtype == "float16"
        assert cache.rows([key(2)])[0].tolist() == row(2).tolist()


def test_pruning_waits_for_no_writer(folder):
    cache = folder.open(PRINT, "float32")
    planned = plan(folder, cache)
    with cache.writer({}), pytest.raises(CacheLockedError, match="is being written by"):
        carry_out(cache, planned)


@pytest.mark.parametrize("storage", [None, MemoryStorage()], ids=["local", "in memory"])
def test_a_recipe_is_removed_with_all_that_is_kept_of_it(tmp_path, storage):
    with CacheFolder(tmp_path / "cache", create=True, storage=storage) as folder:
        for fingerprint in (PRINT, "0" * 64):
            with folder.open(fingerprint, "float32").writer({}) as writer:
                writer.add(key(1), b"1.jpg", row(1))
            folder.keep_parity(fingerprint, "float32", [b"file"], np.ones((1, 8), np.float32))
            folder.keep_training_rows(fingerprint, "0123456789abcdef", [key(1)], b'["a"]')
            assert folder.parity(fingerprint, "float32") is not None
            (folder.networks / fingerprint).mkdir(parents=True)
            (folder.networks / fingerprint / "network.xml").touch()
        remove_recipe(folder, PRINT)
        assert folder.fingerprints() == ["0" * 64]
        assert folder.storage.below(PRINT).list() == []
        assert folder.parity(PRINT, "float32") is None
        assert folder.training_rows(PRINT, "0123456789abcdef") is None
        assert not (folder.root / PRINT).exists()
        assert len(folder.open(PRINT, "float32")) == 0
        assert [path.name for path in folder.networks.iterdir()] == ["0" * 64]
        assert folder.parity("0" * 64, "float32") is not None
        assert folder.open("0" * 64, "float32").rows([key(1)])[0].tolist() == row(1).tolist()


@pytest.mark.parametrize("variant", ["float32", "bfloat16", "float32-float16"])
@pytest.mark.parametrize("storage", [None, MemoryStorage()], ids=["local", "in memory"])
def test_a_recipe_to_which_somebody_writes_is_not_removed(tmp_path, variant, storage):
    """The writer of a new variant has committed nothing: only its lock says that it is there."""
    with CacheFolder(tmp_path / "cache", create=True, storage=storage) as folder:
        with folder.open(PRINT, "float32").writer({}) as writer:
            writer.add(key(1), b"1.jpg", row(1))
        with folder.open(PRINT, variant).writer({}) as writer:
            writer.add(key(2), b"2.jpg", row(2))
            with pytest.raises(CacheLockedError, match="is being written by"):
                remove_recipe(folder, PRINT)
            with pytest.raises(CacheLockedError), folder.open(PRINT, variant).writer({}):
                pass
        assert folder.open(PRINT, "float32").rows([key(1)])[0].tolist() == row(1).tolist()
        assert folder.open(PRINT, variant).rows([key(2)])[0].tolist() == row(2).tolist()


@pytest.mark.parametrize("name", ["open", "flock"])
def test_a_writer_whose_folder_is_removed_while_it_takes_the_lock_is_refused(
    folder, monkeypatch, name
):
    """It would hold a lock that nobody else can see, and a second writer would begin beside it."""
    module = lock.os if name == "open" else lock.fcntl
    cache = folder.open(PRINT, "float32")

    real = getattr(module, name)

    def late(*arguments):
        monkeypatch.undo()
        remove_recipe(folder, PRINT)
        return real(*arguments)

    monkeypatch.setattr(module, name, late)
    refused = pytest.raises(CacheLockedError, match="was being removed by another process; run")
    with refused, cache.writer({}):
        pass
    with cache.writer({}) as writer:
        writer.add(key(1), b"1.jpg", row(1))
    assert folder.open(PRINT, "float32").rows([key(1)])[0].tolist() == row(1).tolist()


def test_a_recipe_that_cannot_be_removed_is_an_error_of_the_cache(folder, monkeypatch):
    def fail(self, name):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(LocalStorage, "delete", fail)
    with pytest.raises(CacheError, match="cannot be removed from .*: Read-only file system"):
        remove_recipe(folder, PRINT)


def test_a_recipe_whose_network_is_a_pipe_is_removed(folder):
    folder.networks.mkdir()
    os.mkfifo(folder.networks / PRINT)
    remove_recipe(folder, PRINT)
    assert list(folder.networks.iterdir()) == []


def test_what_others_commit_meanwhile_stays_whatever_goes_wrong(folder, tmp_path, monkeypatch):
    """Workers of a cluster commit while another process holds the lock."""
    (tmp_path / "photos" / "3.jpg").unlink()
    cache = folder.open(PRINT, "float32")
    rows = Rows("float32")
    rows.extend([key(77)], [b"/elsewhere.jpg"], row(77)[np.newaxis])

    def fail(storage, number, kept):
        write_shard(storage, number, kept)
        write_shard(storage, number + 1, rows)
        raise ValueError("a mistake")

    monkeypatch.setattr("bottlebank.cache.pruning.prune.write_shard", fail)
    with pytest.raises(ValueError, match="a mistake"):
        carry_out(cache, plan(folder, cache))
    assert contents(folder)[key(77)] == 77.5
    assert len(contents(folder)) == 11
