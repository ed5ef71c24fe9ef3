"""What this machine lets the process use."""

import ctypes.util
import importlib.util
import os
from pathlib import Path


def available_cores() -> int:
    """CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_have_gpu() -> bool:
    """Whether there is an NVIDIA GPU with the libraries that TensorFlow needs for it.

    Found out without importing TensorFlow, which takes seconds and has the last word.
    """
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):  # Linux; WSL
        return False
    if importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.cudnn"):
        return True
    return ctypes.util.find_library("cudnn") is not None
