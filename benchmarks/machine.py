"""On what a benchmark runs, in words: the head line of its results."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from bottlebank.hardware import available_cores

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""What decides how fast a network runs, as Linux calls it."""


def machine() -> str:
    """Processor, cores, load, and GPU where there is one."""
    words = f"{processor()}, {available_cores()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{words}; {gpu()}" if gpu() else words


def memory_and_system() -> str:
    """What matters besides where arrays are large."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{memory_gib:.0f} GiB memory; {platform.system()} {platform.release()}"


def processor() -> str:
    """The processor's name, and which of `FLAGS` it has."""
    name = platform.processor() or platform.machine()
    if sys.platform == "darwin":
        name = told("sysctl", "-n", "machdep.cpu.brand_string") or name
    name = cpuinfo("model name") or name
    flags = (cpuinfo("flags") or cpuinfo("Features")).split()
    has = [flag for flag in FLAGS if flag in flags]
    return f"{name} ({' '.join(has)})" if has else name


def gpu() -> str:
    """Names of NVIDIA's GPUs; empty where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ""
    names = told("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return ", ".join(names.splitlines())


def cpuinfo(field: str) -> str:
    """Of the first core."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    values = [line.partition(":")[2].strip() for line in lines if line.startswith(field)]
    return values[0] if values else ""


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
