import os
import sqlite3
import time
from types import SimpleNamespace
from unittest.mock import ANY

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key, Stamp, content_of_bytes
from bottlebank.cache import index as index_module
from bottlebank.cache.directory import Damage
from bottlebank.cache.index import Index, is_settled

PRINT = "a" * 64


@pytest.fixture
def folder(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        with folder.open(PRINT, "float32").writer({}, commit_every_rows=2) as writer:
            for number in range(5):
                writer.add(Key(bytes([number]) * 32), b"p", np.full(4, number, np.float32))
        yield folder


@pytest.mark.parametrize("harm", ["delete", "tear", "garbage", "empty", "version"])
def test_it_is_built_again_whatever_happens_to_it(folder, harm):
    path = folder.root / "index.sqlite"
    folder.index.close()
    if harm == "delete":
        path.unlink()
    elif harm == "tear":
        path.write_bytes(path.read_bytes()[:5000])
    elif harm == "garbage":
        path.write_bytes(b"\x00garbage" * 1000)
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version=99")
        connection.close()
    with CacheFolder(folder.root) as again:
        rows = again.open(PRINT, "float32").rows([Key(bytes([n]) * 32) for n in (4, 0, 3)])
        assert rows[:, 0].tolist() == [4, 0, 3]


def test_damage_that_shows_in_the_middle_of_use_is_survived(folder):
    path = folder.root / "index.sqlite"
    cache = folder.open(PRINT, "float32")
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    assert cache.rows([Key(b"\x03" * 32)])[0, 0] == 3
    assert len(cache) == 5


def test_a_wrong_entry_never_returns_a_wrong_row(folder, caplog):
    """It is whole and sealed, and names the keys in another order, or another place of rows."""
    index, variant = folder.index, f"{PRINT}/float32"
    first, second, third = index.contents(variant).values()
    swapped = first._replace(keys=first.keys[32:] + first.keys[:32])
    moved = second._replace(layout=second.layout._replace(features_at=second.layout.keys_at))
    cut = third._replace(layout=third.layout._replace(keys_at=1 << 30))
    index.add_shards(variant, [swapped, moved, cut])
    rows = folder.open(PRINT, "float32").rows([Key(bytes([number]) * 32) for number in (0, 3, 4)])
    assert rows[:, 0].tolist() == [0, 3, 4]
    assert "the index is rebuilt" in caplog.text
    assert list(index.contents(variant).values()) == [first, second, third]


def test_files_are_known_by_path_size_time_and_inode(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        path = tmp_path / "photo.jpg"
        path.write_bytes(b"one")
        time.sleep(0.03)  # longer than a tick of the file system's clock
        assert folder.sha256_of_file(path) == content_of_bytes(b"one").hex()
        status = path.stat()
        assert folder.known_contents([(str(path), status)])[0] == content_of_bytes(b"one")
        path.write_bytes(b"two and more")
        assert folder.known_contents([(str(path), path.stat())])[0] is None
        assert folder.sha256_of_file(path) == content_of_bytes(b"two and more").hex()
        os.utime(path, ns=(0, 0))
        assert folder.known_contents([(str(path), path.stat())])[0] is None


@pytest.mark.parametrize(
    "harm",
    [
        "path = CAST(x'2f63' AS BLOB)",
        "path = 7",
        "size = size + 1",
        "mtime_ns = NULL",
        "inode = 'x'",
        "key = zeroblob(40)",
        "key = 7",
    ],
)
def test_a_damaged_entry_of_a_file_is_left_out(folder, tmp_path, harm):
    """`prune` asks where images are, and removes what is nowhere."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    files = [(str(tmp_path / name), (tmp_path / name).stat()) for name in ("a.jpg", "b.jpg")]
    folder.remember_files([(path, Stamp.of(status), b"k" * 32) for path, status in files])
    with sqlite3.connect(folder.root / "index.sqlite") as connection:
        connection.execute(f"UPDATE file SET {harm} WHERE path = ?", [os.fsencode(files[0][0])])
    connection.close()
    assert [path for path, _, _ in folder.index.files()] == [files[1][0]]
    assert folder.known_contents(files) == [None, b"k" * 32]
    assert list(folder.verify_files()) == [Damage(tmp_path / "b.jpg", ANY)]


def test_a_lost_index_is_reported_once_and_empty_then(tmp_path, caplog):
    index = Index(tmp_path)
    status = tmp_path.stat()
    index.remember_files([("a", Stamp.of(status), b"k" * 32)])
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"x" * path.stat().st_size)
    for _ in range(2):
        assert index.contents_of_files([("a", status)]) == [None]
        assert caplog.text.count("is rebuilt") == 1
    index.remember_files([("a", Stamp.of(status), b"k" * 32)])
    assert index.contents_of_files([("a", status)]) == [b"k" * 32]
    index.close()


def test_an_index_that_is_lost_while_files_are_looked_up_costs_no_row(folder, tmp_path):
    """The question that meets the damage is not asked by the rows' own cache."""
    cache = folder.open(PRINT, "float32")
    path = folder.root / "index.sqlite"
    path.write_bytes(b"x" * path.stat().st_size)
    assert folder.known_contents([("photo.jpg", tmp_path.stat())])[0] is None
    assert Key(b"\x03" * 32) in cache
    assert len(cache) == 5


@pytest.mark.parametrize("how", ["in place", "by another file", "mode"])
def test_a_file_of_equal_size_and_time_is_read_again(tmp_path, how):
    """As `touch -r`, `cp -p`, `rsync --times` and archives leave it."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"one")
    time.sleep(0.03)
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        folder.sha256_of_file(path)
        before = path.stat()
        time.sleep(0.03)
        if how == "mode":
            path.chmod(0o600)
        elif how == "in place":
            path.write_bytes(b"two")
        else:
            (tmp_path / "new").write_bytes(b"two")
            os.replace(tmp_path / "new", path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        assert folder.known_contents([(str(path), path.stat())])[0] is None
        data = b"one" if how == "mode" else b"two"
        assert folder.sha256_of_file(path) == content_of_bytes(data).hex()


def test_a_file_that_was_changed_just_before_it_was_read_is_not_remembered(tmp_path):
    """It may be changed once more at what its file system calls the same time."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"one")
    values = [*path.stat()]

    def settled(changed_ns, looked_at_ns):
        times = {"st_mtime_ns": 0, "st_ctime_ns": changed_ns}
        return is_settled(Stamp.of(os.stat_result(values, times)), looked_at_ns)

    now = 1_700_000_000_123_456_789
    assert not settled(now, now + 1_000_000)
    assert settled(now, now + 30_000_000)
    assert not settled(now + 3_600_000_000_000, now), "the clock of a server that is ahead"
    whole = now - now % 1_000_000_000
    assert not settled(whole, whole + 1_000_000_000), "times in whole seconds"
    assert settled(whole, whole + 2_000_000_000)


def test_an_index_of_an_earlier_version_gives_way(tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    with sqlite3.connect(root / "index.sqlite") as old:
        old.execute("CREATE TABLE file (path BLOB PRIMARY KEY, size INTEGER, key BLOB)")
        old.execute("INSERT INTO file VALUES (x'2f61', 3, x'00')")
        old.execute("PRAGMA user_version=5")
    old.close()
    (tmp_path / "a").write_bytes(b"one")
    with CacheFolder(root) as folder:
        assert [*folder.index.files()] == []
        assert folder.sha256_of_file(tmp_path / "a") == content_of_bytes(b"one").hex()


def test_a_pipe_in_place_of_the_index_is_left_alone(tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    os.mkfifo(root / "index.sqlite")
    (tmp_path / "a").write_bytes(b"one")
    with CacheFolder(root) as folder:
        assert folder.sha256_of_file(tmp_path / "a") == content_of_bytes(b"one").hex()


def test_where_a_network_has_been(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        for sha256, name in [("1" * 64, "a.onnx"), ("1" * 64, "b\udcff.onnx"), ("2" * 64, "c")] * 2:
            folder.remember_network(sha256, name)
        assert folder.paths_of_network("1" * 64) == [tmp_path / "a.onnx", tmp_path / "b\udcff.onnx"]
        assert folder.paths_of_network("3" * 64) == []


@pytest.mark.parametrize("inode", [7, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("year", [1900, 1970, 2026, 2262, 2400])
def test_inodes_and_times_of_any_size_are_kept(cache, tmp_path, inode, year):
    """As merged file systems number their files, and as cameras with a wrong clock date theirs."""
    status = tmp_path.stat()
    ns = (year - 1970) * 365 * 86_400 * 10**9
    odd = SimpleNamespace(st_size=3, st_mtime_ns=ns, st_ctime_ns=status.st_ctime_ns, st_ino=inode)
    with CacheFolder(cache, create=True) as folder:
        folder.remember_files([("/photo.jpg", Stamp.of(odd), b"k" * 32)])
        assert folder.known_contents([("/photo.jpg", odd)]) == [b"k" * 32]
        other = SimpleNamespace(**{**vars(odd), "st_ino": inode - 1})
        assert folder.known_contents([("/photo.jpg", other)]) == [None]


def test_files_come_in_the_order_of_their_paths_however_many_are_asked_for_at_once(
    folder, monkeypatch
):
    stamp = Stamp(1, 2, 3, 4)
    names = [f"/photos/{number:03d} \udcff.jpg" for number in range(25)]
    folder.index.remember_files(
        [(name, stamp, content_of_bytes(b"%d" % n)) for n, name in enumerate(names)]
    )
    for at_once in (1, 2, 5, 24, 25, 26):
        monkeypatch.setattr(index_module, "_FILES_AT_ONCE", at_once)
        found = list(folder.index.files())
        assert found == [(name, stamp, content_of_bytes(b"%d" % n)) for n, name in enumerate(names)]
    assert folder.index.n_files() == 25


STAMP = Stamp(100, 1, 2, 3)


def test_parts_are_known_while_their_archive_is_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    index = Index(tmp_path / "cache")
    path = str(tmp_path / "a\udcff.tar")
    index.remember_parts(
        [(path, "r", start, STAMP, b"{}", bytes([start % 2]) * 32) for start in (-1, 0, 7)]
    )
    index.remember_parts([("b.tar", "r", 0, STAMP, b"", b"")])
    monkeypatch.chdir(tmp_path)
    assert index.part("a\udcff.tar", "r", 0, STAMP) == (b"{}", bytes(32))
    assert index.part(path, "r", 7, STAMP) == (b"{}", b"\1" * 32)
    assert index.part(path, "other", 0, STAMP) is None
    assert index.part(path, "r", 1, STAMP) is None
    for field, value in STAMP._asdict().items():
        assert index.part(path, "r", 0, STAMP._replace(**{field: value + 1})) is None
    changed = STAMP._replace(ctime_ns=9)
    index.remember_parts([(path, "r", 0, changed, b"{}", b"\2" * 32)])
    assert index.part(path, "r", 0, changed) == (b"{}", b"\2" * 32)
    assert index.part(path, "r", 7, changed) is None
    with sqlite3.connect(tmp_path / "cache" / "index.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM part").fetchone() == (2,)
    connection.close()
    index.close()


@pytest.mark.parametrize("column", ["about", "contents", "seal"])
@pytest.mark.parametrize("harm", ["x'00'", "NULL", "'text'", "7"])
def test_a_damaged_part_is_not_known(tmp_path, column, harm):
    (tmp_path / "cache").mkdir()
    index = Index(tmp_path / "cache")
    index.remember_parts([("a.tar", "r", 0, STAMP, b"{}", bytes(32))])
    with sqlite3.connect(tmp_path / "cache" / "index.sqlite") as connection:
        connection.execute(f"UPDATE part SET {column}={harm}")
    connection.close()
    assert index.part("a.tar", "r", 0, STAMP) is None
    index.close()


def test_where_a_file_is_not_what_its_times_say_no_archive_is_known_any_more(tmp_path):
    (tmp_path / "cache").mkdir()
    index = Index(tmp_path / "cache")
    index.remember_parts([("a.tar", "r", 0, STAMP, b"{}", bytes(32))])
    index.forget_file("a.tar/1.jpg")
    assert index.part("a.tar", "r", 0, STAMP) is None
    index.close()
