"""The registry of exporters. Data only: reading it imports no library and no exporter.

An exporter is a module and a line of `EXPORTERS`. The module has two functions, which are called in
processes of their own:

``write(job, folder) -> bool``
    Of a `Job` of `job`, writes the files that the line names into a folder. Where the line says so,
    the ``job`` may have images to quantize with. Returns whether several images go into a call.
``opened(folder) -> Callable[[ndarray], ndarray]``
    Opens what was written with the format's own runtime, and nothing of bottlebank; returns what
    makes of pixels, uint8 (n, height, width, 3), the probabilities, float32 (n, n_classes).

Either raises ValueError, or what its library does, where it cannot.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from ..arguments import is_one_of, received
from ..errors import LibraryNotFoundError, UsageError
from ..extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..features.backbones.registry import Backbone

LAYERS, GRAPH, ONNX, OPENVINO = "layers", "graph", "onnx", "openvino"
"""Forms of the network that an exporter starts from: layers of Keras, a frozen graph of TensorFlow,
an ONNX file, a graph of OpenVINO. The last two can be had of every network."""


class Exporter(NamedTuple):
    """What is known of a format without importing it."""

    module: str
    """A name that begins with a dot is of this package."""
    title: str
    """What people call it."""
    in_words: str
    """What help texts say of it, behind its name."""
    files: Sequence[str]
    """What is written; of a folder, its name alone."""
    form: str
    """Which form of the network it starts from."""
    libraries: Sequence[str] = ()
    """What has to be installed for it, beside what bottlebank requires."""
    extra: str = ""
    """By which extra of bottlebank pip installs these."""
    quantizes_with: Sequence[str] | None = None
    """The same for `quantize`; None where it has no meaning."""
    quantize_extra: str = ""
    packages: Sequence[str] = ()
    """Whose versions the card names, as pip calls them."""
    names_output: bool = True
    """Whether the output is called ``probabilities`` in it."""
    any_size: bool = False
    """Whether it takes pictures of any size, besides those of the network."""

    def takes(self, backbone: Backbone) -> bool:
        """Whether a network can be had in its form."""
        if self.form in (ONNX, OPENVINO):
            return True
        module = backbone.imported()
        if self.form == GRAPH:
            return hasattr(module, "build")
        return getattr(module, "OF_KERAS", False)

    def require_installed(self, *, quantize: bool) -> None:
        """Raise LibraryNotFoundError, with what to do, where a library is missing."""
        needed = [(self.libraries, self.extra)]
        if quantize:
            needed.append((self.quantizes_with or (), self.quantize_extra))
        for libraries, extra in needed:
            for library in libraries:
                if find_spec(library) is None:
                    raise LibraryNotFoundError(
                        f"{self.title} needs {library}, which is not installed: "
                        f"{how_to_install(extra)}"
                    )


EXPORTERS: dict[str, Exporter] = {
    "keras": Exporter(
        ".keras",
        "Keras",
        "one .keras file",
        ("model.keras",),
        LAYERS,
        packages=("keras", "tensorflow"),
    ),
    "savedmodel": Exporter(
        ".saved_model",
        "SavedModel",
        "a folder for TensorFlow and TensorFlow Serving",
        ("saved_model.pb", "fingerprint.pb", "variables", "assets"),
        GRAPH,
        packages=("tensorflow",),
        any_size=True,
    ),
    "litert": Exporter(
        ".litert",
        "LiteRT",
        "one .tflite file, for phones",
        ("model.tflite",),
        GRAPH,
        libraries=("ai_edge_litert",),
        extra="litert",
        quantizes_with=(),
        packages=("tensorflow", "ai-edge-litert"),
        names_output=False,
    ),
    "onnx": Exporter(
        ".onnx",
        "ONNX",
        "one .onnx file",
        ("model.onnx",),
        ONNX,
        libraries=("onnxruntime", "tf2onnx"),
        extra="onnxruntime",
        packages=("onnx", "onnxruntime", "tf2onnx"),
        any_size=True,
    ),
    "openvino": Exporter(
        ".openvino",
        "OpenVINO",
        "an .xml and a .bin file",
        ("model.xml", "model.bin"),
        OPENVINO,
        quantizes_with=("nncf",),
        quantize_extra="quantize",
        packages=("openvino",),
    ),
}


def find_exporter(format: str) -> Exporter:
    """The exporter of a name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if not is_one_of(format, tuple(EXPORTERS)):
        raise UsageError(f"unknown format {received(format)}: expected {', '.join(EXPORTERS)}")
    return EXPORTERS[format]


def require_exportable(format: str, backbone: Backbone) -> None:
    """Raise UsageError where a network cannot be had in the form that a format needs."""
    if EXPORTERS[format].takes(backbone):
        return
    others = [name for name, exporter in EXPORTERS.items() if exporter.takes(backbone)]
    kind = backbone.constructor if ":" not in backbone.constructor else backbone.name
    raise UsageError(
        f"{_KINDS.get(kind, kind)} cannot be exported as {EXPORTERS[format].title}: choose "
        f"--format {' or '.join(others)}"
    )


def require_quantizable(format: str) -> None:
    """Raise UsageError where a format has no quantization."""
    if EXPORTERS[format].quantizes_with is None:
        others = [name for name, each in EXPORTERS.items() if each.quantizes_with is not None]
        raise UsageError(
            f"{EXPORTERS[format].title} is exported in float32 alone: leave out --quantize, or "
            f"choose --format {' or '.join(others)}"
        )


_KINDS = {
    "onnx": "a network in an ONNX file",
    "saved_model": "a network in a SavedModel",
    "keras": "a network in a file of Keras",
}
