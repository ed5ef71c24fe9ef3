import os
import stat

import pytest

from bottlebank import atomic_file as atomic


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    atomic.write_bytes(path, b"old")

    def fill(temporary):
        temporary.write_bytes(b"half of the n")
        assert temporary.suffix == ".txt"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic.write_with(path, fill)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [
        ("file.txt", b"old")
    ]


def test_bytes_and_folder_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    """A rename that reaches the disk before the bytes leaves an empty file after a power cut."""
    log = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle):
        log.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_fsync(handle)

    def replace(source, target):
        log.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic.write_bytes(tmp_path / "a", b"x")
    assert log == ["file", "rename", "folder"]
    log.clear()
    atomic.make_folder(tmp_path / "b" / "c")
    assert (tmp_path / "b" / "c").is_dir()
    assert log == ["folder", "folder"]


def test_a_folder_is_removed_and_so_is_whatever_is_in_its_place(tmp_path):
    path = tmp_path / "x"
    kept = tmp_path / "kept"
    (kept / "a").mkdir(parents=True)
    for make in (
        lambda: (path / "a").mkdir(parents=True),
        lambda: os.mkfifo(path),
        lambda: path.write_bytes(b""),
        lambda: path.symlink_to(kept),
        lambda: path.symlink_to("nothing"),
        lambda: path.symlink_to("x"),
        lambda: None,
    ):
        make()
        atomic.remove_whole(path)
        assert not os.path.lexists(path)
    assert (kept / "a").is_dir()


def test_a_folder_is_gone_at_once(tmp_path, monkeypatch):
    (tmp_path / "x" / "a").mkdir(parents=True)

    def die(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic.shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            atomic.remove_whole(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: atomic.write_bytes(path, b"new"),
        lambda path: atomic.write_parts(path, [b"new"], replace=False),
        lambda path: atomic.write_with(path, lambda temporary: temporary.write_bytes(b"new")),
    ],
)
def test_a_pipe_or_a_device_is_not_replaced(tmp_path, write):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path, reason in (
        (pipe, "it exists and is not a regular file"),
        (link, "it exists and is not a regular file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "\0", "null"),
    ):
        with pytest.raises(OSError, match=reason):
            write(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
