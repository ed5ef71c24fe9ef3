"""What the machine, and the container that a process is in, let it use."""

import os
import sys
from types import ModuleType

import pytest

from bottlebank import hardware
from bottlebank.errors import UsageError


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Say in which control groups this process is, and what their files hold.

    The machine has 16 cores, and 8 GiB available.
    """
    monkeypatch.setattr(hardware, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(hardware, "_GROUPS_AT", tmp_path / "fs")
    monkeypatch.setattr(hardware, "_MEMORY", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16), raising=False)

    def say(lines, files):
        (tmp_path / "cgroup").write_text(lines)
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return say


@pytest.mark.parametrize(
    ("lines", "files", "cores"),
    [
        ("0::/", {}, 16),
        ("0::/", {"cpu.max": "max 100000\n"}, 16),
        ("0::/", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/", {"cpu.max": "6400000 100000\n"}, 16),
        ("0::/a/b", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "400000 100000\n"}, 2),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n"}, 16),
        ("0::/of/the/host", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/", {"cpu.max": "nonsense"}, 16),
        ("0::/", {"cpu.max": "100000 0"}, 16),
        (
            "4:memory:/x\n1:cpu,cpuacct:/docker/1:2",
            {
                "cpu/docker/1:2/cpu.cfs_quota_us": "50000",
                "cpu/docker/1:2/cpu.cfs_period_us": "25000",
            },
            2,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("", {}, 16),
    ],
)
def test_cores_are_those_of_the_container(groups, lines, files, cores):
    groups(lines, files)
    assert hardware.available_cores() == cores


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@pytest.mark.parametrize(
    ("quota", "before", "after"),
    [
        ("100000", None, ["1", "1", "1"]),
        ("300000", "5", ["5", "3", "3"]),
        ("max", None, [None, None, None]),
    ],
)
def test_libraries_start_no_more_threads_than_there_are_cores(
    groups, monkeypatch, quota, before, after
):
    groups("0::/", {"cpu.max": f"{quota} 100000"})
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    environment = {} if before is None else {"OMP_NUM_THREADS": before}
    monkeypatch.setattr(os, "environ", environment)
    hardware.limit_threads_of_libraries()
    assert [environment.get(name) for name in THREADS] == after


def test_without_control_groups_and_affinity(groups, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert hardware.available_cores() == 1


GIB = 1 << 30
V1 = "memory.limit_in_bytes"


def used(bytes_, active=0, inactive=0, prefix=""):
    """Files of a group of version 2 (or, with ``total_``, of 1) that say what it has taken."""
    name = "memory.usage_in_bytes" if prefix else "memory.current"
    counts = {"anon": bytes_, f"{prefix}active_file": active, f"{prefix}inactive_file": inactive}
    lines = "".join(f"{each} {value}\n" for each, value in counts.items())
    return {name: f"{bytes_}\n", "memory.stat": lines}


def within(folder, files):
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("lines", "files", "available"),
    [
        ("0::/", {}, 8 * GIB),
        ("", {}, 8 * GIB),
        ("0::/", {"memory.max": "max\n", "memory.high": "max\n", **used(GIB)}, 8 * GIB),
        ("0::/", {"memory.max": f"{GIB}\n", **used(0)}, GIB),
        ("0::/", {"memory.max": f"{GIB}\n", **used(GIB // 4)}, GIB * 3 // 4),
        ("0::/", {"memory.max": f"{2 * GIB}", "memory.high": f"{GIB}", **used(0)}, GIB),
        # What the group has read from files can be dropped.
        ("0::/", {"memory.max": f"{GIB}", **used(GIB, GIB // 2, GIB // 4)}, GIB * 3 // 4),
        ("0::/", {"memory.max": f"{GIB}", **used(GIB, GIB, GIB)}, GIB),
        ("0::/", {"memory.max": f"{GIB}", "memory.current": f"{GIB}"}, 0),
        ("0::/", {"memory.max": f"{GIB}", **used(2 * GIB)}, 0),
        ("0::/", {"memory.max": f"{64 * GIB}", **used(0)}, 8 * GIB),
        ("0::/", {"memory.max": "nonsense", **used(0)}, 8 * GIB),
        ("0::/", {"memory.max": f"{GIB}", "memory.current": "nonsense"}, GIB),
        (
            "0::/",
            {"memory.max": f"{GIB}", "memory.current": "0", "memory.stat": "odd\n\nx y\n"},
            GIB,
        ),
        # The tightest on the way up counts, with what its other children have taken.
        (
            "0::/a/b",
            {
                **within("a", {"memory.max": f"{2 * GIB}", **used(GIB * 3 // 2)}),
                **within("a/b", {"memory.max": f"{GIB}", **used(0)}),
            },
            GIB // 2,
        ),
        ("0::/of/the/host", {"memory.max": f"{GIB}", **used(0)}, GIB),
        (
            "4:memory:/",
            within("memory", {V1: f"{2**63 - 4096}", **used(GIB, prefix="total_")}),
            8 * GIB,
        ),
        (
            "4:memory:/docker/1:2\n0::/",
            within("memory/docker/1:2", {V1: f"{GIB}", **used(GIB, 0, GIB // 2, "total_")}),
            GIB // 2,
        ),
    ],
)
def test_memory_is_that_of_the_container(groups, lines, files, available):
    groups(lines, files)
    assert hardware.available_memory_bytes() == available


def test_files_of_a_control_group_that_cannot_be_read(groups, monkeypatch):
    groups("0::/", {"memory.max": f"{GIB}", **used(0)})

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(hardware.Path, "read_text", refuse)
    assert hardware.available_memory_bytes() == (
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [("50%", 500), ("100 %", 1000), ("12.5%", 125), (".01%", 1), ("2K", 2048), (7, 7)],
)
def test_memory_is_a_size_or_a_share_of_what_is_available(monkeypatch, given, found):
    monkeypatch.setattr(hardware, "available_memory_bytes", lambda: 1000)
    assert hardware.require_memory("memory", given) == found


@pytest.mark.parametrize("given", ["0%", "100.1%", "%", "-1%", "1e1%", "half", "٥%", None, 0.5])
def test_what_is_neither_is_refused(given):
    with pytest.raises(UsageError, match=r"^memory is .*; expected a (share of|number of bytes)"):
        hardware.require_memory("memory", given)


def test_this_machine_has_memory():
    assert (
        0
        < hardware.available_memory_bytes()
        <= (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    )


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A machine with the driver of a GPU, and no library for it."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(hardware, "_GPU_DEVICES", (str(tmp_path / "nvidiactl"),))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(hardware.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(hardware.importlib.util, "find_spec", lambda name: None)
    for name in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_gpu_needs_a_driver_and_a_library(gpu, monkeypatch):
    assert not hardware.may_have_gpu()
    monkeypatch.setattr(hardware.ctypes.util, "find_library", lambda name: f"lib{name}.so.9")
    assert hardware.may_have_gpu()
    (gpu / "nvidiactl").unlink()
    assert not hardware.may_have_gpu()


def test_the_library_of_a_gpu_may_be_a_package_of_python_or_in_a_folder(gpu, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(hardware.importlib.util, "find_spec", lambda name: ModuleType(name))
        assert hardware.may_have_gpu()
    (gpu / "cuda").mkdir()
    (gpu / "cuda" / "libcudnn.so.9").touch()
    assert not hardware.may_have_gpu()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere::{gpu / 'cuda'}")
    assert hardware.may_have_gpu()
    monkeypatch.delenv("LD_LIBRARY_PATH")
    (gpu / "cuda").rename(gpu / "lib")  # as conda has it
    assert hardware.may_have_gpu()


@pytest.mark.parametrize(
    ("visible", "is_one"), [("0", True), ("0,1", True), ("-1", False), ("", False)]
)
def test_a_gpu_can_be_hidden(gpu, monkeypatch, visible, is_one):
    monkeypatch.setattr(hardware.ctypes.util, "find_library", lambda name: f"lib{name}.so.9")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware.may_have_gpu() is is_one
