"""What this machine lets the process use."""

from __future__ import annotations

import ctypes.util
import importlib.util
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import received, require_size
from .errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

CORES = "BOTTLEBANK_CORES"
"""The environment variable that limits the cores that a process keeps busy."""

_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?%", re.ASCII)
_THREADS_OF_LIBRARIES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_MEMORY = Path("/proc/meminfo")
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg")
"""Of the driver: on Linux, and in the Windows Subsystem for Linux."""
_GROUPS, _GROUPS_AT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """CPU cores that this process may keep busy: those it may run on, within its containers' share.

    A share of one core and a half counts as two. The environment variable `BOTTLEBANK_CORES` allows
    fewer.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    allowed = os.environ.get(CORES, "")
    most = [int(allowed)] if allowed.isdecimal() else []
    return max(1, min([cores, *most, *map(math.ceil, _core_shares())]))


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


def limit_threads_of_libraries() -> None:
    """Where not all cores of the machine are available, let libraries start no more threads.

    They count those of the machine: on a large one, in a container with one core, OpenBLAS and
    TensorFlow would start one thread for each. For a program, before it imports them; what its
    user has set stays.
    """
    n_cores = available_cores()
    if n_cores < (os.cpu_count() or 1):
        for name in _THREADS_OF_LIBRARIES:
            os.environ.setdefault(name, str(n_cores))


def available_memory_bytes() -> int:
    """Memory that this process and those that it starts may still take.

    The least of what the machine has available and, of each control group that this process is in,
    what is left below its limit. The pages of files that the kernel can drop count as free, swap
    does not. Where the system does not say what is available (macOS), all memory counts.
    """
    return max(0, min([_memory_of_machine(), *_memory_left_in_groups()]))


def require_memory(name: str, value: object) -> int:
    """Bytes of memory that a caller allows: a size, or a share of what is available.

    Parameters
    ----------
    name
        Of the parameter.
    value
        A number of bytes, or text such as ``"2G"`` or ``"50%"``.

    Raises
    ------
    ParameterError
        When it is neither.
    """
    if isinstance(value, str) and (found := _SHARE.fullmatch(value.strip())):
        share = float(found[1]) / 100
        if 0 < share <= 1:
            return max(1, int(share * available_memory_bytes()))
        raise ParameterError(
            name, f"is {received(value)}; expected a share of at most 100%, such as '50%'"
        )
    return require_size(name, value)


def _memory_of_machine() -> int:
    available = _counts_in(_MEMORY).get("MemAvailable:")  # in KiB
    if available is not None:
        return available << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory_left_in_groups() -> Iterator[int]:
    """Below the limit of each control group that has one."""
    for folder in _control_groups("", "memory.current"):
        for name in ("memory.max", "memory.high"):  # killed beyond one, slowed beyond the other
            limit = _text_of(folder / name)
            if limit.isdecimal():  # no limit: max
                yield int(limit) - _used_in_group(folder / "memory.current")
    for folder in _control_groups("memory", "memory.limit_in_bytes"):
        limit = _text_of(folder / "memory.limit_in_bytes")
        if limit.isdecimal():  # no limit: about 2⁶³
            yield int(limit) - _used_in_group(folder / "memory.usage_in_bytes")


def _used_in_group(file: Path) -> int:
    """What a control group has taken, without the pages of files, which the kernel can drop."""
    used = _text_of(file)
    if not used.isdecimal():
        return 0
    prefix = "" if file.name == "memory.current" else "total_"  # with the groups below it
    counts = _counts_in(file.parent / "memory.stat")
    of_files = (counts.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    return max(0, int(used) - sum(of_files))


def _counts_in(file: Path) -> dict[str, int]:
    """Of a file with a name and a number on each line."""
    lines = [line.split() for line in _text_of(file).splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdecimal()}


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
    """Whether there is an NVIDIA GPU, with the library of networks (cuDNN) that engines need on it.

    Found out without importing an engine, which takes seconds and has the last word. No GPU is
    found where the environment variable `CUDA_VISIBLE_DEVICES` hides all of them.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        return False
    if importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.cudnn"):
        return True
    folders = [f"{sys.prefix}/lib", *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    if any(any(Path(folder).glob("libcudnn.so*")) for folder in folders if folder):
        return True
    return ctypes.util.find_library("cudnn") is not None
