"""Extraction in parts brings the same rows into the cache, and opens no archive twice."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from io import BytesIO

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, Stamp
from bottlebank.datasets.parts import archives, lists, tree
from bottlebank.extraction import network
from bottlebank.extraction.in_parts import extract_in_parts
from bottlebank.extraction.parts.rolling_ledger import RollingLedger
from bottlebank.extraction.worker import Worker
from bottlebank.untrusted import tar_members

SETTINGS = {"extractor": "random", "engine": "openvino", "precision": "float32"}
COUNTS = ("images", "cached", "extracted", "duplicates", "rejected", "ignored", "ignored_kinds")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(tree, "FILES_AT_ONCE", 7)
    monkeypatch.setattr(archives, "MEMBERS_AT_ONCE", 7)
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(lists, "_SETTLED_NS", 20_000_000)


def in_parts(data, cache, *, reading=None, **settings):
    return extract_in_parts(data, reading or {}, cache=cache, **{**SETTINGS, **settings})


def counts(done):
    return {name: getattr(done.report, name) for name in COUNTS}


def pack(path, members):
    """An archive of members, as old as is known by its times."""
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    time.sleep(0.03)
    return path


@pytest.fixture
def pictures(photos):
    """The bytes of 60 pictures, all different."""
    return [file.read_bytes() for file in sorted(photos.rglob("*.png"))]


@pytest.fixture
def tars(pictures, tmp_path):
    """Three archives of 20 pictures."""
    folder = tmp_path / "tars"
    folder.mkdir()
    for number in range(3):
        some = pictures[20 * number : 20 * number + 20]
        pack(folder / f"{number}.tar", [(f"{at:02d}.png", data) for at, data in enumerate(some)])
    return folder


@pytest.fixture
def list_of_tars(tars):
    """A Parquet file with the pictures of all archives, mixed."""
    import pyarrow
    import pyarrow.parquet

    paths = [f"tars/{number}.tar/{at:02d}.png" for at in range(20) for number in range(3)]
    table = pyarrow.table({"path": paths, "label": [path[5] for path in paths]})
    pyarrow.parquet.write_table(table, tars.parent / "list.parquet")
    time.sleep(0.03)
    return tars.parent / "list.parquet"


@pytest.fixture
def opened(monkeypatch):
    """Archives that are opened in this process, by name; workers are not to start."""
    names = Counter()
    read_members, read = tar_members._read_members, tar_members.MemberStatus.read

    def counted_members(archive, *arguments):
        names[os.path.basename(archive)] += 1
        return read_members(archive, *arguments)

    def counted_read(status):
        names[os.path.basename(status.archive)] += 1
        return read(status)

    monkeypatch.setattr(tar_members, "_read_members", counted_members)
    monkeypatch.setattr(tar_members.MemberStatus, "read", counted_read)
    tar_members._members_of.cache_clear()
    return names


def refuse(*_):
    raise AssertionError("a file was read")


@pytest.fixture
def no_worker(monkeypatch):
    return lambda: monkeypatch.setattr(Worker, "start", refuse)


def test_rows_and_counts_are_those_of_the_whole(tars, cache, tmp_path, converted_random):
    (tars / "beside").mkdir()
    pack(tars / "beside" / "again.tar", [("a.png", b"nothing"), ("b.txt", b"text")])
    shutil.copy(tars / "1.tar", tars / "copy.tar")
    time.sleep(0.03)
    done = in_parts(tars, cache, reading={"class_level": 0})
    other = tmp_path / "other"
    other.mkdir()
    os.symlink(converted_random, other / "networks")
    whole = bb.extract(bb.load_dataset(tars, class_level=0), cache=other, **SETTINGS)
    assert counts(done) == counts(whole)
    assert (done.report.images, done.report.duplicates, done.report.rejected) == (81, 20, 1)
    assert list(done.rejected) == list(whole.rejected)
    with CacheFolder(cache) as ours, CacheFolder(other) as theirs:
        [recipe], [variant] = ours.fingerprints(), ours.variants(ours.fingerprints()[0])
        rows = ours.open(recipe, variant)
        assert rows.n_stored == 60
        expected = theirs.open(recipe, variant)
        assert set(rows.keys()) == set(expected.keys())
        assert rows.rows(rows.keys()).tobytes() == expected.rows(rows.keys()).tobytes()


@pytest.mark.parametrize("reading", [{}, {"class_level": 0}, {"exclude": ["03.png"]}])
def test_a_second_run_opens_no_archive(tars, cache, opened, no_worker, reading):
    first = in_parts(tars, cache, reading=reading)
    assert len(opened) == 3
    opened.clear()
    no_worker()
    second = in_parts(tars, cache, reading=reading)
    assert not opened
    assert second.report.images == first.report.images
    assert (
        second.report.cached == first.report.extracted == 60 - 3 * len(reading.get("exclude", ()))
    )
    assert second.report.ignored_kinds == first.report.ignored_kinds


def test_a_second_run_over_a_list_opens_no_archive(list_of_tars, cache, opened, no_worker):
    first = in_parts(list_of_tars, cache)
    assert first.report.extracted == 60
    opened.clear()
    no_worker()
    second = in_parts(list_of_tars, cache)
    assert not opened
    assert second.report.cached == 60


def test_classes_in_archives_are_not_read_again(pictures, cache, tmp_path, opened, caplog):
    """Files .cls; what is said of them is said again."""
    members = [(f"{at:02d}.png", data) for at, data in enumerate(pictures)]
    members += [(f"{at:02d}.cls", b"Cat" if at % 2 else b"cat") for at in range(60)]
    path = pack(tmp_path / "shard.tar", members)
    in_parts(path, cache)
    notes = [record.getMessage() for record in caplog.records]
    caplog.clear()
    opened.clear()
    assert in_parts(path, cache).report.cached == 60
    assert not opened
    assert [record.getMessage() for record in caplog.records] == notes
    assert any("differ only in case are kept apart: Cat, cat" in note for note in notes)


def test_going_on_without_an_extractor_opens_no_archive(tars, cache, opened, caplog):
    in_parts(tars, cache)
    opened.clear()
    done = in_parts(tars, cache, extractor=None)
    assert (done.report.extractor, done.report.cached) == ("random", 60)
    assert not opened


@pytest.mark.parametrize("n_rows", [1, 7, 13, 20, 21, 41, 50])
@pytest.mark.parametrize("form", ["tars", "list"])
def test_an_extraction_that_ends_anywhere_is_gone_on_with(
    tars, list_of_tars, cache, monkeypatch, n_rows, form
):
    """Each row is kept once, and all are counted."""

    monkeypatch.setattr(network, "_SHORT_S", 0.0)  # batches stay small
    data = tars if form == "tars" else list_of_tars
    keep = RollingLedger.keep

    def keep_some(ledger, images):
        if ledger.n_rows >= n_rows:
            raise KeyboardInterrupt
        keep(ledger, images)

    monkeypatch.setattr(RollingLedger, "keep", keep_some)
    with pytest.raises(KeyboardInterrupt):
        in_parts(data, cache, commit_every=3)
    monkeypatch.setattr(RollingLedger, "keep", keep)
    done = in_parts(data, cache, commit_every=3)
    assert done.report.images == done.report.cached + done.report.extracted == 60
    assert done.report.extracted < 60
    with CacheFolder(cache) as folder:
        [recipe] = folder.fingerprints()
        rows = folder.open(recipe, "float32")
        assert rows.n_stored == len(rows) == 60


KILLED = """
import os, signal, sys, time
from bottlebank.cache.writer import Writer
from bottlebank.datasets.parts import archives
from bottlebank.extraction import network
from bottlebank.extraction import network
from bottlebank.extraction.in_parts import extract_in_parts
from bottlebank.extraction.parts import memory
archives.MEMBERS_AT_ONCE, network._SHORT_S, memory._HELD_BYTES = 7, 0.0, 0
data, cache, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
commit, done = Writer.commit, []
def killing(writer):
    commit(writer)
    done.append(1)
    if len(done) == n:
        os.kill(os.getpid(), signal.SIGKILL)
Writer.commit = killing
extract_in_parts(data, {}, cache=cache, extractor="random", engine="openvino",
    precision="float32", commit_every=5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_commits", [1, 4, 5, 8, 12])
def test_an_extraction_that_is_killed_is_gone_on_with(tars, cache, opened, n_commits):
    """SIGKILL right after a commit; finished archives are not opened again."""
    command = [sys.executable, "-c", KILLED, str(tars), str(cache), str(n_commits)]
    assert subprocess.run(command, check=False).returncode == -9
    with CacheFolder(cache) as folder:
        [recipe] = folder.fingerprints()
        before = len(folder.open(recipe, "float32"))
    done = in_parts(tars, cache, commit_every=5)
    assert before <= done.report.cached
    assert done.report.cached + done.report.extracted == 60
    with CacheFolder(cache) as folder:
        assert folder.open(recipe, "float32").n_stored == 60
    # The record of an archive is written with its last rows, or just after.
    assert sum(opened[f"{number}.tar"] == 0 for number in range(3)) >= before // 20 - 1


def test_an_archive_that_has_changed_is_read_again(tars, cache, pictures, opened):
    in_parts(tars, cache)
    opened.clear()
    more = [*[(f"{at:02d}.png", data) for at, data in enumerate(pictures[20:40])]]
    pack(tars / "1.tar", [*more, ("20.png", pictures[0] + b" "), ("21.png", b"broken")])
    done = in_parts(tars, cache)
    assert set(opened) == {"1.tar"}
    report = done.report
    assert (report.images, report.cached, report.extracted, report.rejected) == (62, 60, 1, 1)
    opened.clear()
    assert in_parts(tars, cache).report.cached == 61
    assert not opened


def test_an_archive_replaced_by_one_of_the_same_size_and_time(tars, cache, pictures):
    in_parts(tars, cache)
    before = (tars / "0.tar").stat()
    (tars / "0.tar").unlink()
    changed = [bytearray(data) for data in pictures[:20]]
    for data in changed:
        data[-1] ^= 1
    members = [(f"{at:02d}.png", bytes(data)) for at, data in enumerate(changed)]
    pack(tars / "0.tar", members)
    os.utime(tars / "0.tar", ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.03)
    assert (tars / "0.tar").stat().st_size == before.st_size
    done = in_parts(tars, cache)
    assert done.report.cached == 40
    assert done.report.extracted + done.report.rejected == 20


def test_an_archive_cut_off_between_runs(tars, cache):
    in_parts(tars, cache)
    os.truncate(tars / "2.tar", (tars / "2.tar").stat().st_size // 2)
    time.sleep(0.03)
    for _ in range(2):
        done = in_parts(tars, cache)
        [(path, reason)] = done.rejected
        assert path == str(tars / "2.tar")
        assert "too early: copy or download it again" in reason
        assert done.report.images == done.report.cached + 1


def test_an_archive_that_is_gone_between_runs(tars, cache):
    in_parts(tars, cache)
    (tars / "1.tar").unlink()
    report = in_parts(tars, cache).report
    assert (report.images, report.cached, report.rejected) == (40, 40, 0)


@pytest.mark.parametrize("what", ["gone", "replaced"])
def test_an_archive_that_goes_while_others_are_extracted(tars, cache, pictures, monkeypatch, what):
    """It was there when DATA was looked through."""
    survey = tree.survey

    def survey_and_change(*arguments):
        parts = survey(*arguments)
        (tars / "1.tar").unlink()
        if what == "replaced":
            pack(tars / "1.tar", [("new.png", pictures[20])])
        return parts

    monkeypatch.setattr(tree, "survey", survey_and_change)
    done = in_parts(tars, cache)
    report = done.report
    if what == "gone":
        [(path, reason)] = done.rejected
        assert (path, report.images, report.extracted) == (str(tars / "1.tar"), 41, 40)
        assert reason == "the archive cannot be read: No such file or directory"
    else:
        assert (report.images, report.extracted, report.rejected) == (41, 41, 0)
    monkeypatch.setattr(tree, "survey", survey)
    if what == "replaced":
        assert in_parts(tars, cache).report.cached == 41


def test_rejected_images_of_known_archives_are_named_again(tars, cache, pictures, opened):
    """Also where a part holds nothing else, and where two archives hold the same."""
    for name in ("x", "y"):
        pack(tars / f"{name}.tar", [(f"{at}.png", b"broken %d" % at) for at in range(8)])
    first = in_parts(tars, cache)
    assert (first.report.extracted, first.report.rejected) == (60, 16)
    opened.clear()
    second = in_parts(tars, cache)
    assert not opened
    assert list(second.rejected) == list(first.rejected)
    names = [f"{tars}/{name}.tar/{at}.png" for name in "xy" for at in range(8)]
    assert [path for path, _ in second.rejected] == names


def test_nothing_but_rejected_images(tmp_path, cache, opened):
    path = pack(tmp_path / "all.tar", [(f"{at}.png", b"broken %d" % at) for at in range(20)])
    for _ in range(2):
        done = in_parts(path, cache)
        assert (len(done), done.report.rejected, len(done.rejected)) == (0, 20, 20)


def test_many_rejected_images_are_on_disk(tmp_path, cache, monkeypatch):
    from bottlebank.extraction.parts import rejections

    monkeypatch.setattr(rejections, "_HELD", 3)
    names = [f"{at:02d}\udcff\n.png" for at in range(20)]
    path = pack(tmp_path / "all.tar", [(name, b"broken " + name[:2].encode()) for name in names])
    done = in_parts(path, cache)
    assert len(done.rejected._held) == 3
    assert [name for name, _ in done.rejected] == [f"{path}/{name}" for name in names]
    assert [each["path"] for each in done.rejections_as_json()] == [f"{path}/{n}" for n in names]


def test_archives_without_images(tars, cache):
    pack(tars / "empty.tar", [])
    pack(tars / "texts.tar", [("a.txt", b"text")])
    for _ in range(2):
        report = in_parts(tars, cache).report
        assert (report.images, report.ignored_kinds) == (60, {".txt": 1})


def test_the_same_image_in_two_archives_is_computed_once(tars, cache, pictures):
    pack(tars / "3.tar", [("again.png", pictures[0]), ("new.png", pictures[1] + b" ")])
    for extracted, cached in ((61, 0), (0, 61)):
        report = in_parts(tars, cache).report
        found = report.images, report.extracted, report.cached, report.duplicates
        assert found == (62, extracted, cached, 1)


def test_an_archive_under_two_names(tars, cache, photos):
    os.symlink(tars / "0.tar", tars / "link.tar")
    whole = bb.load_dataset(tars)
    report = in_parts(tars, cache).report
    assert report.images == len(whole) == 80
    assert (report.extracted, report.duplicates) == (60, 20)


def test_archives_beside_folders(tars, photos, cache, opened):
    shutil.copytree(photos, tars / "photos")
    time.sleep(0.03)
    report = in_parts(tars, cache, reading={"class_level": 0}).report
    assert (report.images, report.extracted, report.duplicates) == (120, 60, 60)
    opened.clear()
    (tars / "photos" / "disc" / "00.png").write_bytes(b"changed")
    report = in_parts(tars, cache, reading={"class_level": 0}).report
    assert (report.images, report.cached, report.rejected) == (120, 60, 1)
    assert not opened


def test_rows_that_have_gone_are_computed_again(tars, cache, opened):
    """A part that is known is trusted only where all of its images have rows."""
    in_parts(tars, cache, commit_every=20)
    with CacheFolder(cache) as folder:
        [recipe] = folder.fingerprints()
        rows = folder.open(recipe, "float32")
        first = rows.shard_names()[0]
        (rows.folder / first).unlink()
    opened.clear()
    done = in_parts(tars, cache)
    assert (done.report.extracted, done.report.cached) == (20, 40)
    assert "2.tar" not in opened


def test_other_settings_compute_all(tars, cache):
    in_parts(tars, cache)
    assert in_parts(tars, cache, fit="pad").report.extracted == 60
    done = in_parts(tars, cache, views=2)
    assert (done.report.extracted, done.report.rows_extracted) == (60, 120)
    done = in_parts(tars, cache, views=2)
    assert (done.report.cached, done.report.rows) == (60, 180)


def test_a_damaged_record_is_not_trusted(tars, cache, opened):
    import sqlite3

    in_parts(tars, cache)
    with sqlite3.connect(cache / "index.sqlite") as index:
        index.execute("UPDATE part SET contents=substr(contents, 1, 32)||zeroblob(32)")
    index.close()
    opened.clear()
    assert in_parts(tars, cache).report.cached == 60
    assert set(opened) == {"0.tar", "1.tar", "2.tar"}


def test_a_list_whose_archive_changes(list_of_tars, tars, cache, pictures, opened):
    in_parts(list_of_tars, cache)
    opened.clear()
    members = [(f"{at:02d}.png", data) for at, data in enumerate(pictures[20:40])]
    members[3] = ("03.png", pictures[23] + b" ")
    pack(tars / "1.tar", members)
    done = in_parts(list_of_tars, cache)
    assert (done.report.extracted, done.report.cached) == (1, 59)
    assert opened["1.tar"] >= 1


@pytest.mark.parametrize("form", ["csv", "text", "cp1252", "files"])
def test_other_lists(tars, photos, cache, tmp_path, form):
    """Relative paths, other dialects and encodings; and files, which are looked at one by one."""
    paths = [f"tars/{number}.tar/{at:02d}.png" for at in range(20) for number in range(3)]
    if form == "files":
        paths = [str(path.relative_to(tmp_path)) for path in sorted(photos.rglob("*.png"))]
    file = tmp_path / "list.csv"
    if form == "text":
        file.write_text("\n".join([*paths, paths[0]]))
    elif form == "cp1252":
        rows = [f"{path};Stühle" for path in paths]
        file.write_bytes("\r\n".join(["path;label", *rows]).encode("cp1252"))
    else:
        file.write_text("\n".join(["path,label", *(f"{path},a" for path in paths)]))
    time.sleep(0.03)
    for extracted in (60, 0):
        report = in_parts(file, cache).report
        assert (report.images, report.extracted, report.duplicates) == (60, extracted, 0)


def test_what_nobody_can_read_is_said_before_anything_is_done(tmp_path, cache):
    with pytest.raises(bb.errors.DatasetError, match="no such folder or file"):
        in_parts(tmp_path / "none", cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(bb.errors.DatasetError, match="no images in"):
        in_parts(tmp_path / "empty", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_bytes_that_have_changed_behind_their_times_are_found_by_verify(tars, cache, opened):
    in_parts(tars, cache)
    place = tar_members.status_of(f"{tars}/1.tar/05.png")
    data = bytearray((tars / "1.tar").read_bytes())
    data[place.offset + place.st_size - 1] ^= 1
    with CacheFolder(cache) as folder:
        (tars / "1.tar").write_bytes(data)
        now = (tars / "1.tar").stat()
        # As if the file system had kept all times.
        known = list(folder.index.files())
        folder.index.remember_files(
            (path, Stamp(size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino), content)
            for path, (size, *_), content in known
            if "/1.tar/" in path
        )
        entry = folder.index.part(str(tars / "0.tar"), *reading_of(folder, "0.tar"))
        assert entry is not None
        damage = [found for found in folder.verify_files() if found is not None]
        assert [str(found.path) for found in damage] == [f"{tars}/1.tar/05.png"]
        assert folder.index.part(str(tars / "0.tar"), *reading_of(folder, "0.tar")) is None


def reading_of(folder, name):
    """How an archive has been read, its first part and its stamp; by what any part says."""
    columns = "path, reading, size, mtime_ns, ctime_ns, inode"
    rows = folder.index._database.ask(f"SELECT {columns} FROM part")
    for path, reading, *stamp in rows:
        if path.endswith(name.encode()):
            return reading, 0, Stamp(*stamp)
    return "", 0, Stamp(0, 0, 0, 0)
