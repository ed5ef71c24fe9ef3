"""Rows in a temporary file: read as those of an array, and gone whatever happens."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from bottlebank import rows_on_disk as module
from bottlebank.classifier.weights import distinct
from bottlebank.errors import TemporaryFileError
from bottlebank.rows_on_disk import columns_of, rows_on_disk, standardised


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files are made; nothing is left in it."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


def made(n, width, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


INDICES = {
    "a slice": slice(3, 9),
    "all": slice(None),
    "beyond the end": slice(18, 99),
    "none": slice(4, 4),
    "some, shuffled and repeated": np.array([7, 0, 19, 7, 8, 9]),
    "no position": np.array([], int),
    "bools": np.arange(20) % 3 == 1,
}


@pytest.mark.parametrize("width", [1, 5, 3000])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_they_are_read_as_those_of_an_array(folder, index, width):
    rows = made(20, width)
    with rows_on_disk(20, width) as disk:
        disk.put(slice(None), rows)
        assert (len(disk), disk.shape) == (20, rows.shape)
        np.testing.assert_array_equal(disk[index], rows[index])
        some = disk.some(index)
        assert len(some) == len(rows[index])
        np.testing.assert_array_equal(some[::-1], rows[index][::-1])
        assert disk[index].dtype == np.float32


def test_they_are_written_in_any_order_and_grow(folder):
    rows, more = made(50, 7), made(10, 7, 1)
    order = np.random.default_rng(0).permutation(50)
    with rows_on_disk(50, 7) as disk:
        for part in np.array_split(order, 6):
            disk.put(part, rows[part])
        others = disk.grown(10)
        others.put(slice(None), more[:, ::-1])  # not in one piece
        np.testing.assert_array_equal(disk[:], rows)
        together = disk.some(order).and_then(others)
        np.testing.assert_array_equal(together[:], np.concatenate([rows[order], more[:, ::-1]]))


def test_blocks_are_all_rows_in_order(folder, monkeypatch):
    monkeypatch.setattr(module, "_BYTES_AT_ONCE", 100)
    rows = made(11, 6)
    with rows_on_disk(11, 6) as disk:
        disk.put(slice(None), rows)
        blocks = [*disk.blocks()]
    assert [len(block) for _, block in blocks] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), rows)
    assert all(np.array_equal(rows[part], block) for part, block in blocks)


def test_columns_and_standardised_rows_are_those_of_an_array(folder):
    rows = made(30, 40)
    positions, mean, scale = np.array([4, 4, 29, 0]), rows.mean(axis=0), rows.std(axis=0)
    with rows_on_disk(30, 40) as disk:
        disk.put(slice(None), rows)
        found = columns_of(disk, positions, slice(35, 99))
        np.testing.assert_array_equal(found, columns_of(rows, positions, slice(35, 99)))
        with standardised(disk.some(positions), mean, scale) as changed:
            assert not isinstance(changed, np.ndarray)
            np.testing.assert_array_equal(changed[:], (rows[positions] - mean) / scale)
        np.testing.assert_array_equal(disk[:], rows)


@pytest.mark.parametrize("seed", range(8))
def test_copies_are_found_in_the_order_of_class_and_content(folder, seed, monkeypatch):
    """Against the plain way: to sort the bytes of whole rows."""
    if seed % 2:
        monkeypatch.setattr("bottlebank.classifier.weights._BYTES_TO_SORT", 64)
    random = np.random.default_rng(seed)
    n, width = int(random.integers(1, 300)), int(random.integers(1, 50))
    rows = random.choice(np.array([0.0, -0.0, 1.5, -2], np.float32), (n, width))
    rows[:, : int(random.integers(0, width + 1))] = 0
    codes, weights = random.integers(0, 3, n), random.random(n)
    expected: dict[tuple[int, bytes], list[int]] = {}
    for row in range(n):
        expected.setdefault((int(codes[row]), rows[row].tobytes()), []).append(row)
    copies = [expected[key] for key in sorted(expected)]
    with rows_on_disk(n, width) as disk:
        disk.put(slice(None), rows)
        for given in (rows, disk):
            positions, summed = distinct(given, codes, weights)
            assert positions.tolist() == [each[0] for each in copies]
            np.testing.assert_allclose(summed, [weights[each].sum() for each in copies])


def test_a_full_disk_is_said_before(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 3 << 20))
    with (
        pytest.raises(
            TemporaryFileError, match=r"takes 4 MiB in .*temporary files, of which 3 MiB "
        ),
        rows_on_disk(1024, 1000),
    ):
        pass


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_while_it_is_written(folder, monkeypatch, reason):
    real, calls = os.pwrite, []

    def pwrite(handle, data, at):
        calls.append(at)
        if len(calls) > 2:
            raise OSError(reason, os.strerror(reason))
        return real(handle, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    expected = f"{os.strerror(reason)}: make room there, set TMPDIR to another folder, or give more"
    with pytest.raises(TemporaryFileError, match=expected), rows_on_disk(30, 4) as disk:
        for start in range(0, 30, 10):
            disk.put(slice(start, start + 10), made(10, 4))


def test_writes_that_are_cut_short_go_on(folder, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, data[:7], at))
    rows = made(9, 5)
    with rows_on_disk(9, 5) as disk:
        disk.put(slice(None), rows)
        np.testing.assert_array_equal(disk[:], rows)


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="it is the way without it that is tried")
def test_without_preadv(folder, monkeypatch):
    rows = made(9, 5)
    with rows_on_disk(9, 5) as disk:
        disk.put(slice(None), rows)
        monkeypatch.delattr(os, "preadv")
        np.testing.assert_array_equal(disk[np.array([8, 1, 2])], rows[[8, 1, 2]])


def test_a_file_that_was_cut_is_no_row_of_zeros(folder):
    with rows_on_disk(9, 5) as disk, pytest.raises(TemporaryFileError, match="cut short"):
        disk[:]


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_folder_that_is_none_is_named(tmp_path, monkeypatch, kind):
    path = tmp_path / "none"
    if kind == "a file":
        path.write_bytes(b"")
    monkeypatch.setenv("TMPDIR", str(path))
    expected = r"no temporary file can be made in .*none: .*; set TMPDIR to a folder with room for"
    with pytest.raises(TemporaryFileError, match=expected), rows_on_disk(3, 3):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    path = tmp_path / "mine"
    path.mkdir(mode=0o500)
    monkeypatch.setenv("TMPDIR", str(path))
    with pytest.raises(TemporaryFileError, match="mine: Permission denied"), rows_on_disk(3, 3):
        pass


def test_once_closed_nothing_is_read(folder):
    with rows_on_disk(3, 3) as disk:
        disk.put(slice(None), made(3, 3))
    with (folder.parent / "another file").open("w"):  # which may have the same number
        with pytest.raises(ValueError, match="closed file"):
            disk[:]
        with pytest.raises(ValueError, match="closed file"):
            disk.put(slice(None), made(3, 3))


def test_nothing_is_left_after_an_error(folder):
    with pytest.raises(ZeroDivisionError), rows_on_disk(3, 3) as disk:
        disk.put(slice(None), made(3, 3))
        assert 1 / len(disk[:0])


def test_nothing_is_left_after_a_kill(folder):
    script = (
        "import os, signal, numpy as np\n"
        "from bottlebank.rows_on_disk import rows_on_disk\n"
        "with rows_on_disk(1000, 1000) as disk:\n"
        "    disk.put(slice(None), np.ones((1000, 1000), 'f4'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
