"""Which engine is taken when one fails, whatever its library raises."""

import logging
import sys
from types import ModuleType, SimpleNamespace

import pytest

from bottlebank.errors import EngineError, WeightsNotFoundError
from bottlebank.features.engines import select
from bottlebank.features.engines.registry import ENGINES, EngineEntry
from bottlebank.features.engines.select import preferences, preferred_precisions, start_engine


class Engine:
    name, precision = "sound", "float32"
    batch_size, batch_sizes, n_calls = 1, (1,), 1


class Network:
    """Nothing of it is used: what it would be compared with is left out."""

    class recipe:  # noqa: N801
        extractor = "random"


@pytest.fixture
def engines(monkeypatch):
    """A registry of two: ``bad``, whose module is returned to be given a `start`, and ``sound``."""
    bad, sound = ModuleType("bad_engine"), ModuleType("sound_engine")
    sound.start = lambda network, precision, *, many: Engine()
    monkeypatch.setattr(select, "ENGINES", {})
    for module in (bad, sound):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        name = module.__name__.removesuffix("_engine")
        select.ENGINES[name] = EngineEntry(module.__name__, name.title())
    monkeypatch.setattr(select, "GPU_ENGINES", ())
    monkeypatch.setattr(select, "require_agreement", lambda engine, network, *, many: None)
    return bad


def raising(error):
    def start(network, precision, *, many):
        raise error

    return start


FAULTS = [
    (
        RuntimeError("a page\nof its state"),
        "bad in float32: Bad does not start: a page of its state",
    ),
    (MemoryError(), "bad in float32: Bad does not start: MemoryError"),
    (OSError(28, "No space left on device"), "No space left on device"),
    (ImportError("libgpu.so"), "bad in float32: Bad cannot be imported (libgpu.so)"),
    (EngineError("no such processor"), "bad in float32: no such processor"),
]


@pytest.mark.parametrize(("error", "reason"), FAULTS, ids=lambda value: type(value).__name__)
def test_an_engine_that_fails_is_passed_over_with_its_reason(engines, caplog, error, reason):
    caplog.set_level(logging.INFO, "bottlebank")
    engines.start = raising(error)
    started = start_engine(Network(), "auto", ["float32"], many=False, gpu=False)
    assert started.name == "sound"
    assert reason in caplog.text
    with pytest.raises(EngineError, match="no engine can run random: bad in float32: "):
        start_engine(Network(), "bad", ["float32"], many=False, gpu=False)


def test_an_engine_that_fails_on_its_first_images_is_passed_over(engines, monkeypatch):
    def check(engine, network, *, many):
        if engine.name != "sound":
            raise RuntimeError("the device is lost")

    class Lost(Engine):
        name = "lost"

    engines.start = lambda network, precision, *, many: Lost()
    monkeypatch.setattr(select, "require_agreement", check)
    assert start_engine(Network(), "auto", ["float32"], many=False, gpu=False).name == "sound"


def test_what_no_other_engine_would_help_is_raised(engines):
    engines.start = raising(WeightsNotFoundError("no weights"))
    with pytest.raises(WeightsNotFoundError, match="no weights"):
        start_engine(Network(), "auto", ["float32"], many=False, gpu=False)


def test_an_engine_of_another_system_is_not_imported(engines):
    for engine, reason in (
        ("coreml", "Core ML is only on Macs"),
        ("directml", "DirectML is only on Windows"),
    ):
        select.ENGINES[engine] = ENGINES[engine]._replace(module="not_installed")
        if ENGINES[engine].only_on != sys.platform:
            with pytest.raises(EngineError, match=f"{engine} in float32: {reason}$"):
                start_engine(Network(), engine, ["float32"], many=False, gpu=False)


def test_what_is_not_installed_is_named(engines, monkeypatch):
    monkeypatch.setattr(select, "sys", SimpleNamespace(platform="win32"))
    select.ENGINES["directml"] = ENGINES["directml"]._replace(module="not_installed")
    with pytest.raises(EngineError, match=r"cannot .*: pip install onnxruntime-directml$"):
        start_engine(Network(), "directml", ["float32"], many=False, gpu=False)


def test_who_computes_in_float16_on_a_cpu_is_named(engines):
    with pytest.raises(EngineError, match="in float16 on a CPU, .*: --engine onnxruntime$"):
        start_engine(Network(), "auto", ["float16"], many=False, gpu=False)


def change(name, **fields):
    """Change the line of one of the engines of the fixture."""
    select.ENGINES[name] = select.ENGINES[name]._replace(**fields)


def test_precisions_are_those_of_the_first_engine(engines):
    change("bad", precisions=("bfloat16", "float32"))
    engines.supported_precisions = lambda: ("float32",)
    assert preferred_precisions("auto") == ("float32",)
    engines.supported_precisions = lambda: 1 / 0
    assert preferred_precisions("auto") == ("float32",)


@pytest.fixture
def on_gpu(engines, monkeypatch):
    """The two engines with a GPU; ``bad``, whose module is returned, goes first on it."""
    for name, precisions in (("bad", ("float16", "float32")), ("sound", ("bfloat16",))):
        change(name, gpu_precisions=precisions)
        sys.modules[select.ENGINES[name].module].has_gpu = lambda: True
    monkeypatch.setattr(select, "GPU_ENGINES", ("bad", "sound"))
    monkeypatch.setattr(select, "may_have_gpu", lambda: True)
    return engines


def test_engines_on_a_gpu_are_preferred_in_all_of_their_precisions(on_gpu, monkeypatch):
    bad = [("bad", "float16"), ("bad", "float32")]
    assert list(preferences("auto")) == [*bad, ("sound", "bfloat16"), ("auto", "float32")]
    assert list(preferences("bad")) == [*bad, ("bad", "float32")]
    assert list(preferences("sound")) == [("sound", "bfloat16"), ("sound", "float32")]
    for broken in (lambda: False, lambda: 1 / 0):
        on_gpu.has_gpu = broken
        assert list(preferences("auto")) == [("sound", "bfloat16"), ("auto", "float32")]
    monkeypatch.setattr(select, "may_have_gpu", lambda: False)
    assert list(preferences("auto")) == [("auto", "float32")]


def test_a_gpu_is_tried_in_the_precisions_of_each_engine(on_gpu, caplog):
    caplog.set_level(logging.INFO, "bottlebank")
    on_gpu.start = raising(EngineError("no memory"))
    for precision, tried in (("float16", "bad"), ("bfloat16", None), ("float32", "bad")):
        caplog.clear()
        if precision == "float16":
            with pytest.raises(EngineError, match="no memory"):
                start_engine(Network(), "auto", [precision], many=False, gpu=True)
        else:
            started = start_engine(Network(), "auto", [precision], many=False, gpu=True)
            assert started.name == "sound"
        assert [line.split()[2] for line in caplog.messages] == [tried] * len(caplog.messages)


def test_an_engine_that_is_not_automatic_has_to_be_named(engines):
    engines.start = raising(EngineError("it would have been tried"))
    change("bad", is_automatic=False)
    assert start_engine(Network(), "auto", ["float32"], many=False, gpu=False).name == "sound"
    assert list(preferences("auto")) == [("auto", "float32")]
    with pytest.raises(EngineError, match="it would have been tried"):
        start_engine(Network(), "bad", ["float32"], many=False, gpu=False)
