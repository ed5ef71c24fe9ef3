"""What tells a machine and a file system from others, for what the index remembers of them.

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


def file_system_of(folder: str | bytes) -> bytes | None:
    """8 bytes that stand for the file system on which a folder lies; None where there is none.

    On Linux they come from the UUID of most disk file systems: the folder under a mount point is
    another one when its disk is not mounted, or on another machine.
    """
    try:
        number = os.statvfs(folder).f_fsid or os.stat(folder).st_dev  # noqa: PTH116 (bytes)
    except (OSError, ValueError):
        return None
    return (number % (1 << 64)).to_bytes(8, "big")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
