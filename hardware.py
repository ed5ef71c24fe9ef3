"""What this machine lets the process use."""

from __future__ import annotations

import ctypes.util
import importlib.util
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS, _GROUPS_AT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """CPU cores that this process may keep busy: those it may run on, within its containers' share.

    A share of one core and a half counts as two.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *map(math.ceil, _core_shares())]))


def _core_shares() -> Iterator[float]:
    """Of each control group that this process is in (man 7 cgroups), and that has a limit."""
    for folder in _control_groups("", "cpu.max"):
        quota, _, period = _text_of(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)
    for folder in _control_groups("cpu", "cpu.cfs_quota_us"):
        quota, period = (_text_of(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period):  # no limit: -1
            yield int(quota) / int(period)


def _control_groups(controller: str, file: str) -> Iterator[Path]:
    """The groups with a file, from this process's own up to the root.

    In a container, which may see other paths than its own, the root is the container's group.
    """
    for line in _text_of(_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        root = _GROUPS_AT / controller
        folder = root / path.strip("/")
        for each in (folder, *folder.parents):
            if (each / file).is_file():
                yield each
            if each == root:
                break


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def may_have_gpu() -> bool:
    """Whether there is an NVIDIA GPU with the libraries that TensorFlow needs for it.

    Found out without importing TensorFlow, which takes seconds and has the last word.
    """
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):  # Linux; WSL
        return False
    if importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.cudnn"):
        return True
    return ctypes.util.find_library("cudnn") is not None
