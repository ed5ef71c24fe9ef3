"""Callers meet a BottlebankError, and every other exception has its reason here."""

import ast
import builtins
import pickle

import numpy as np
import pytest

from bottlebank.classifier.open_set import fit_unknown
from bottlebank.classifier.temperature import fit_temperature
from bottlebank.errors import BottlebankError, EngineError
from bottlebank.extraction.network import CannotRunError
from bottlebank.prediction import NoTrainingImagesError
from bottlebank.service.errors import DeadlineError
from bottlebank.untrusted.isolation import DiedError, FailedError
from bottlebank.untrusted.urls import FetchError

from .test_house import ROOT, sources

SIGNALS = {
    "AnswerUnreadError": "cli catches it, and ends as a program does whose pipe was closed",
    "BytesDifferError": "Shard and FeatureCache make it a DamagedShardError",
    "RequestTimeoutError": "waitress answers it with status 408",
    "TooBusyError": "waitress answers it with status 503",
    "NotKnownError": "the values of a SavedModel that depend on data are not known",
    "_DiedError": "the decoder pool finds the image that did it",
    "IndexIsWrongError": "FeatureCache builds the index again",
    "PyarrowMissingError": "who lists folders says how to install it; else it is an OSError",
    "_TooManyBytesError": "Fetcher makes it a FetchError",
}
RAISE_BUILTINS = {
    "atomic_file.py": "write_parts: the cache names its folder",
    "cache/export_file.py": "reads exports: import names the file",
    "cache/import_export.py": "reads recipes: import names the folder",
    "cache/keys.py": "reads keys",
    "cache/objects/object_storage.py": "ValueError, for a mistake in bottlebank",
    "cache/layouts.py": "reads maps: Layouts names the file",
    "cache/shards/shard.py": "reads shards: Shard names the file",
    "cache/shards/shard_writer.py": "Writer names the variant",
    "cache/variant.py": "reads names of folders",
    "classifier/head_file.py": "reads heads: load_head names the file",
    "classifier/open_set.py": "reads heads: load_head names the file",
    "cli/interrupts.py": "KeyboardInterrupt, as Python does",
    "export/process.py": "in a process of its own: the caller makes it an ExportError",
    "features/backbones/described.py": "reads recipes: described_backbone makes it a RecipeError",
    "features/backbones/registry.py": "reads formulas: described_backbone makes it a RecipeError",
    "features/backbones/lite_weights.py": "reads weights: the same function names the file",
    "features/backbones/torch_file.py": "reads weights: read_torch_file makes it an EngineError",
    "features/backbones/onnx_checks.py": "reads networks: onnx_file makes it an EngineError",
    "features/backbones/onnx_layers.py": "reads networks: onnx_file makes it an EngineError",
    "features/backbones/onnx_process.py": "reads networks: onnx_file makes it an EngineError",
    "features/backbones/onnx_skeleton.py": "reads networks: onnx_file makes it an EngineError",
    "features/backbones/onnx_training.py": "reads networks: onnx_file makes it an EngineError",
    "features/engines/conversion.py": "in a process of its own: the caller makes it an EngineError",
    "features/engines/first_run.py": "in a process of its own: `apart` makes it an EngineError",
    "features/engines/onnx_evaluator.py": "in a process of its own, as first_run",
    "features/engines/onnx_float16.py": "converts networks: first_run makes it an EngineError",
    "features/images/want_of_memory.py": "MemoryError, as whoever lacks it does",
    "features/images/decoder_pool.py": "TimeoutError, which the service makes a DeadlineError",
    "features/images/fit.py": "reads rules: described_backbone makes it a RecipeError",
    "features/images/resize.py": "reads rules: described_backbone makes it a RecipeError",
    "lazy_names.py": "AttributeError, by which Python asks on",
    "service/batcher.py": "AssertionError, for a mistake in bottlebank",
    "training/finetuning/checkpoint.py": "reads checkpoints: the same function names the file",
    "untrusted/arrays.py": "reads NumPy's files",
    "untrusted/base64_text.py": "reads base64: the service names the image",
    "untrusted/fetch.py": "TimeoutError, which Fetcher makes a FetchError",
    "untrusted/files.py": "reads files",
    "untrusted/hdf5.py": "reads HDF5",
    "untrusted/hdf5_tree.py": "reads HDF5",
    "untrusted/json_text.py": "reads JSON",
    "untrusted/urls.py": "reads host names: the caller names the URL",
    "untrusted/zip_members.py": "reads archives",
    "untrusted/member_places.py": "is a mapping, and says KeyError as such do",
    "untrusted/member_status.py": "reads archives: who lists or reads images names them",
    "untrusted/parquet_members.py": "reads archives: who lists or reads images names them",
    "untrusted/parquet_pages.py": "reads archives: who lists or reads images names them",
    "untrusted/thrift_structs.py": "reads archives: who lists or reads images names them",
    "untrusted/tar_members.py": "reads archives: who lists or reads images names them",
}
READERS = {
    "features/backbones/keras/": "reads networks: file makes it an EngineError",
    "features/backbones/saved_model/": "reads networks: folder makes it an EngineError",
}
"""Rooms of which most files are as those in `RAISE_BUILTINS`."""
BUILTINS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


def name_of(node):
    """``b.Error`` and ``b.Error("text")`` are ``Error``."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def nodes(kind):
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield str(path.relative_to(ROOT)), node


def test_every_exception_is_a_bottlebank_error_or_has_its_reason():
    bases = {node.name: {name_of(base) for base in node.bases} for _, node in nodes(ast.ClassDef)}

    def below(names):
        found = set(names)
        while new := {name for name, above in bases.items() if above & found} - found:
            found |= new
        return found & bases.keys()

    libraries = {base for above in bases.values() for base in above if str(base).endswith("Error")}
    exceptions = below(BUILTINS | libraries)
    assert len(exceptions) > 30
    assert exceptions - below({"BottlebankError"}) == SIGNALS.keys()


def test_signals_say_so():
    said = {
        node.name: ast.get_docstring(node)
        for _, node in nodes(ast.ClassDef)
        if node.name in SIGNALS
    }
    assert {name for name, text in said.items() if not text.startswith("Signal")} == set()


def test_builtin_errors_are_raised_by_readers_alone():
    raising = {
        path for path, node in nodes(ast.Raise) if node.exc and name_of(node.exc) in BUILTINS
    }
    assert {path for path in raising if not path.startswith((*READERS,))} == RAISE_BUILTINS.keys()


@pytest.mark.parametrize(
    "kind",
    [CannotRunError, DeadlineError, DiedError, FailedError, FetchError, NoTrainingImagesError],
)
def test_errors_of_one_room_are_errors_of_bottlebank(kind):
    assert issubclass(kind, BottlebankError)
    assert issubclass(kind, (ValueError, RuntimeError, LookupError))


def test_wrong_arguments_of_the_classifier_are_errors_of_bottlebank():
    with pytest.raises(BottlebankError, match="codes must be integers from 0 to 1"):
        fit_temperature(np.zeros((1, 2)), np.array([2]))
    with pytest.raises(BottlebankError, match="coverage must lie between 0 and 1; got 2"):
        fit_unknown(None, np.zeros((1, 2)), np.zeros(1, int), None, coverage=2)


OPENVINO, TENSORFLOW = "openvino in float32", "tensorflow in float32"


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        ([(OPENVINO, "no room")], "no engine can run it: openvino in float32: no room"),
        ([(OPENVINO, "no room"), (TENSORFLOW, "no room")], "no engine can run it: no room"),
        (
            [("openvino in bfloat16", "no room"), (OPENVINO, "no"), (TENSORFLOW, "no room")],
            "no engine can run it: openvino in bfloat16, tensorflow in float32: no room; "
            "openvino in float32: no",
        ),
    ],
)
def test_equal_reasons_are_said_once(reasons, message):
    error = EngineError.of_attempts("it", reasons)
    assert str(error) == message
    assert pickle.loads(pickle.dumps(error)).attempts == tuple(reasons)
