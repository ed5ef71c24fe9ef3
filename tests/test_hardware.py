"""What the machine, and the container that a process is in, let it use."""

import os

import pytest

from bottlebank import hardware


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Say in which control groups this process is, and what their files hold; 16 cores beside."""
    monkeypatch.setattr(hardware, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(hardware, "_GROUPS_AT", tmp_path / "fs")
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


def test_without_control_groups_and_affinity(groups, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert hardware.available_cores() == 1
