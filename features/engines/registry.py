"""The registry of engines. Data only: reading it imports no library and no engine.

An engine is a module and a line of `ENGINES`. The module has a function ``start(source, precision,
*, many)``. Of a `Source` of `base` it makes an `Engine`, which also takes batches when `many`
images are coming. It raises EngineError when it cannot run here, with the reason; ``auto`` then
tries the next engine, as it does when anything else is raised that is not a BottlebankError. What
else the module has, `EngineEntry` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError
from ...extras import PACKAGES
from ...precisions import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTO = "auto"


class EngineEntry(NamedTuple):
    """What is known of an engine without importing it."""

    module: str
    """A name that begins with a dot is of this package."""
    title: str
    """What people call it."""
    library: str = ""
    """What has to be installed for it; empty for nothing else."""
    precisions: Sequence[str] = ("float32",)
    """What ``auto`` computes in with it on a CPU, fastest first; each is one of `PRECISIONS`. Of
    several, the module's ``supported_precisions()`` returns those of this machine."""
    gpu_precisions: Sequence[str] = ()
    """The same on a GPU; empty when it does not compute on one. Then the module's ``has_gpu()``
    says whether it finds one here, and `GPU_ENGINES` has its name."""
    batch_size: int = 1
    """Images in a call that are expected to keep it busy, before it has started."""
    package: str = ""
    """What pip installs for it; empty where bottlebank requires it."""
    only_on: str = ""
    """The one `sys.platform` that has it, if there is only one."""
    is_automatic: bool = True
    """Whether ``auto`` tries it; otherwise it has to be named."""

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return bool(self.gpu_precisions)


ENGINES: dict[str, EngineEntry] = {
    "openvino": EngineEntry(".openvino", "OpenVINO", "openvino", ("bfloat16", "float32")),
    # Its bfloat16 is slower than its float32 on CPUs.
    "tensorflow": EngineEntry(
        ".tensorflow",
        "TensorFlow",
        "tensorflow",
        gpu_precisions=("bfloat16", "float32"),
        batch_size=32,
    ),
    "onnxruntime": EngineEntry(
        ".onnxruntime",
        "ONNX Runtime",
        "onnxruntime",
        gpu_precisions=("float16", "float32"),
        batch_size=8,
        package=PACKAGES["onnxruntime"],
    ),
    "coreml": EngineEntry(
        ".coreml",
        "Core ML",
        "onnxruntime",
        package=PACKAGES["onnxruntime"],
        only_on="darwin",
        is_automatic=False,
    ),
    "directml": EngineEntry(
        ".directml",
        "DirectML",
        "onnxruntime",
        package="onnxruntime-directml",
        only_on="win32",
        is_automatic=False,
    ),
}
"""In the order in which ``auto`` tries them on a CPU."""
GPU_ENGINES = ("onnxruntime", "tensorflow")
"""In the order in which ``auto`` tries them on a GPU."""
REFERENCE = "tensorflow"
"""The engine by which the others are judged, in float32, for the networks that it runs."""


def engine_names() -> list[str]:
    """What `engine` can be."""
    return [AUTO, *ENGINES]


def precision_names() -> list[str]:
    """What `precision` can be."""
    return [AUTO, *PRECISIONS]


def require_known(engine: str, precision: str) -> None:
    """Raise UsageError unless both names are known."""
    for what, value, known in (
        ("engine", engine, engine_names()),
        ("precision", precision, precision_names()),
    ):
        if value not in known:
            raise UsageError(f"unknown {what} {value!r}: expected {', '.join(known)}")
