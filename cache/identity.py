"""What tells a machine and a folder from others, for what the index remembers of them.

A cache is copied, lies on a network drive, or is used in containers, so that neither its own files
nor a host name say where something was observed. When in doubt these values differ, which costs a
second try of an image, or a row that `cache prune` could have removed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


@functools.cache
def this_machine() -> bytes:
    """16 bytes that stand for the processor, the memory and the installation of this machine.

    Not for its host name, which each container makes up; and hashed, so that no identifier of the
    machine is written anywhere.
    """
    processor = [line for line in _text_of(_CPU_INFO).splitlines() if line.startswith("model name")]
    parts = (
        "bottlebank",
        _text_of(_MACHINE_ID).strip(),
        platform.machine(),
        *processor[:1],
        str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        _text_of(_MEMORY_LIMIT).strip(),
    )
    return hashlib.sha256("\0".join(parts).encode()).digest()[:16]


def place_of(folder: str | bytes) -> bytes | None:
    """16 bytes that stand for a folder of this machine; None where there is no folder.

    They hash the machine, the file system and the inode. The file system alone, which on Linux has
    the UUID of most disks, is the same on machines that were cloned from one disk image, and for
    whatever folder of that disk a container mounts there.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116 (bytes)
        file_system = os.statvfs(folder).f_fsid or status.st_dev
    except (OSError, ValueError):
        return None
    place = b"%b\0%d %d" % (this_machine(), file_system, status.st_ino)
    return hashlib.sha256(place).digest()[:16]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
