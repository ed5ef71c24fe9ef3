"""ONNX Runtime on devices that no test has: what is done when they start, and when they fail."""

import logging
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.engines import coreml, directml, onnx_providers, onnxruntime, select
from bottlebank.features.engines.onnx_providers import CPU, CUDA, CUDA_WITHOUT_TF32
from bottlebank.features.engines.onnxruntime import OnnxRuntimeEngine

CUDA_NAME = "CUDAExecutionProvider"
NO_MEMORY = RuntimeError(
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:359 Failed to allocate memory for "
    "requested buffer of size 8388608"
)


class Session:
    """Gives the mean of each picture's channels; its device holds `holds` pictures at a time."""

    def __init__(self, shape=("n", 8, 8, 3), holds=1000, error=NO_MEMORY):
        self.shape, self.holds, self.error = shape, holds, error
        self.sizes, self.at_once, self.most_at_once = [], 0, 0
        self.lock = threading.Lock()

    def get_inputs(self):
        return [SimpleNamespace(name="pixels", shape=list(self.shape))]

    def run(self, names, feed):
        images = feed["pixels"]
        with self.lock:
            self.sizes.append(len(images))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if len(images) > self.holds:
                raise self.error
            return [images.mean(axis=(1, 2)).astype(np.float32)]
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture
def start(monkeypatch):
    """A function that starts an engine on a session."""

    def start(session, provider=CUDA, **settings):
        monkeypatch.setattr(onnxruntime, "session_of", lambda file, provider: session)
        return OnnxRuntimeEngine("network.onnx", provider, **settings)

    return start


PIXELS = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
MEANS = PIXELS.mean(axis=(1, 2)).astype(np.float32)


@pytest.mark.parametrize(("holds", "size"), [(1000, 256), (256, 256), (255, 128), (3, 2), (1, 1)])
def test_batches_are_as_large_as_the_memory_allows(start, holds, size):
    engine = start(Session(holds=holds))
    assert (engine.batch_size, engine.batch_sizes) == (size, range(1, size + 1))
    np.testing.assert_array_equal(engine(PIXELS), MEANS)


@pytest.mark.parametrize(
    ("shape", "size"), [((224, 224), 128), ((518, 518), 16), ((96, 96), 256), ((4000, 4000), 1)]
)
def test_batches_of_large_pictures_are_smaller(shape, size):
    assert CUDA.batch_size(*shape) == size


def test_few_images_take_a_small_batch(start):
    assert start(Session(), many=False).batch_size == 8


def test_a_network_of_one_image_is_called_with_one(start):
    engine = start(Session(shape=(1, 8, 8, 3)))
    assert (engine.batch_size, engine.batch_sizes) == (1, (1,))
    np.testing.assert_array_equal(engine(PIXELS[:5]), MEANS[:5])


def test_memory_that_is_gone_meanwhile_makes_batches_smaller(start, caplog):
    caplog.set_level(logging.INFO, "bottlebank")
    session = Session()
    engine = start(session)
    session.holds = 20
    np.testing.assert_array_equal(engine(PIXELS), MEANS)
    assert engine.batch_size == 16
    assert "ONNX Runtime on the GPU lacks memory for 32 images in a call: 16 are" in caplog.text
    session.sizes.clear()
    np.testing.assert_array_equal(engine(PIXELS[:20]), MEANS[:20])
    assert session.sizes == [16, 4]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            NO_MEMORY,
            r"the GPU does not go on: .*allocate memory.*; end what else takes its memory; run "
            r"this again, or with --engine openvino: what is in the cache is kept",
        ),
        (
            RuntimeError("CUDA failure 700: an illegal memory access was encountered"),
            r"does not go on: CUDA failure 700: an illegal memory access was encountered; run this "
            r"again, or with --engine openvino: what is in the cache is kept",
        ),
    ],
)
def test_a_gpu_that_does_not_go_on_is_an_error_that_says_what_to_do(start, error, message):
    session = Session()
    engine = start(session)
    session.holds, session.error = 0, error
    with pytest.raises(EngineError, match=message):
        engine(PIXELS)


def test_a_gpu_without_memory_for_one_image_does_not_start(start):
    with pytest.raises(EngineError, match="does not go on"):
        start(Session(holds=0))


def test_two_calls_are_tried_at_once_but_where_only_one_can_be(start):
    for provider, session in ((CUDA, Session()), (directml.DIRECTML, Session())):
        engine = start(session, provider)
        threads = [threading.Thread(target=engine, args=[PIXELS]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert session.most_at_once == 1


class Ort:
    """ONNX Runtime with CUDA in its build; sessions are as `session` makes them."""

    SessionOptions = SimpleNamespace

    def __init__(self, session, says=""):
        self.session, self.says, self.made = session, says, []

    def get_available_providers(self):
        return [CUDA_NAME, "CPUExecutionProvider"]

    def preload_dlls(self):
        print(self.says)  # noqa: T201 (as it does)

    def InferenceSession(self, model, options, *, providers, enable_fallback):  # noqa: N802
        assert enable_fallback == 0
        self.made.append((options, providers))
        return self.session(providers)


def test_what_cuda_lacks_is_the_reason(monkeypatch, capfd):
    without = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    ort = Ort(
        lambda providers: without, "Failed to load libcublasLt.so.13: no such file\nFailed to"
    )
    monkeypatch.setattr(onnx_providers, "ort", ort)
    with pytest.raises(
        EngineError,
        match="does not compute on the GPU: Failed to load libcublasLt.so.13: no such file; with "
        "CUDA_VISIBLE_DEVICES=-1 it computes on the CPU",
    ):
        onnx_providers.require_cuda()
    assert capfd.readouterr().out == ""


def test_a_gpu_is_asked_for_with_the_settings_of_batches_that_change(monkeypatch):
    ran = []
    gpu = SimpleNamespace(
        get_providers=lambda: [CUDA_NAME, "CPUExecutionProvider"],
        run=lambda names, feed: ran.append(feed["x"].shape) or [feed["x"]],
    )
    ort = Ort(lambda providers: gpu)
    monkeypatch.setattr(onnx_providers, "ort", ort)
    onnx_providers.require_cuda()
    assert ran == [(1, 1, 2, 2)]
    [(options, [(name, settings), cpu])] = ort.made
    assert (name, cpu) == (CUDA_NAME, ("CPUExecutionProvider", {}))
    assert settings == {
        "use_tf32": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }
    assert options.intra_op_num_threads == 1


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (coreml, "has no CoreMLExecutionProvider: pip install onnxruntime, and no other build"),
        (directml, "has no DmlExecutionProvider: pip install onnxruntime-directml, and no other"),
    ],
)
def test_a_device_that_the_build_does_not_have_is_named(module, message, tmp_path, monkeypatch):
    recipe, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    name = module.__name__.rpartition(".")[2]
    monkeypatch.setattr(select, "sys", SimpleNamespace(platform=select.ENGINES[name].only_on))
    with pytest.raises(EngineError, match=message):
        open_extractor(
            recipe, lambda: weights, engine=name, precisions=["float32"], networks=tmp_path
        )


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that is simulated by the CPU; the list is of the providers that sessions asked for."""
    asked = []
    real = onnx_providers.session_of

    def session_of(file, provider):
        asked.append(provider)
        return real(file, CPU)

    monkeypatch.setattr(select, "may_have_gpu", lambda: True)
    monkeypatch.setattr(onnxruntime, "has_gpu", lambda: True)
    monkeypatch.setattr(onnxruntime, "require_cuda", lambda: None)
    monkeypatch.setattr(onnxruntime, "session_of", session_of)
    monkeypatch.setattr(onnx_providers, "_LARGEST_BATCH", 8)
    return asked


def opened(folder, precision, engine="auto"):
    recipe, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    return open_extractor(
        recipe,
        lambda: weights,
        engine=engine,
        precisions=[precision],
        networks=folder,
        gpu=True,
    )


def test_auto_computes_in_float16_on_a_gpu(gpu, photos, cache):
    table = bb.extract(photos, "efficientnet_lite0", cache=cache)
    assert (table.report.engine, table.report.precision) == ("onnxruntime", "float16")
    assert gpu == [CUDA]


def test_float16_is_left_to_gpus_unless_an_engine_is_named(tmp_path):
    with pytest.raises(EngineError, match="auto in float16: no engine computes in float16 on a CP"):
        opened(tmp_path, "float16")
    assert opened(tmp_path, "float16", "onnxruntime").precision == "float16"
    with pytest.raises(
        EngineError, match=r"in float16: this CPU does not compute in float16 \(OpenVINO: b?f\d+\)$"
    ):
        opened(tmp_path, "float16", "openvino")
    with pytest.raises(EngineError, match="tensorflow in float16: TensorFlow does not compute in"):
        opened(tmp_path, "float16", "tensorflow")


@pytest.mark.slow
def test_where_float16_disagrees_float32_is_computed_on_the_gpu(gpu, photos, cache, monkeypatch):
    refuse(monkeypatch, lambda engine: engine.precision == "float16")
    table = bb.extract(photos, "efficientnet_lite0", cache=cache)
    assert (table.report.engine, table.report.precision) == ("onnxruntime", "float32")


def test_tf32_is_left_out_where_it_disagrees(gpu, tmp_path, monkeypatch):
    assert opened(tmp_path, "float32").engine == "onnxruntime"
    assert gpu == [CUDA]
    gpu.clear()
    refuse(monkeypatch, lambda engine: gpu[-1] == CUDA)
    assert opened(tmp_path, "float32").engine == "onnxruntime"
    assert gpu == [CUDA, CUDA_WITHOUT_TF32]


def test_where_the_gpu_does_not_start_all_is_as_without(gpu, photos, cache, monkeypatch, caplog):
    def require_cuda():
        raise EngineError("ONNX Runtime does not compute on the GPU: no driver")

    caplog.set_level(logging.INFO, "bottlebank")
    monkeypatch.setattr(onnxruntime, "require_cuda", require_cuda)
    table = bb.extract(photos, "efficientnet_lite0", cache=cache)
    assert table.report.engine == "openvino"
    assert "not used: onnxruntime in float16: ONNX Runtime does not compute on" in caplog.text
    assert gpu == []


@pytest.mark.slow
def test_a_gpu_that_fails_in_between_loses_nothing_that_was_committed(
    gpu, photos, cache, monkeypatch
):
    """As where another program takes its memory."""
    real = OnnxRuntimeEngine._run
    left = [8]  # of which the first four are made when it starts

    def run(engine, images):
        if left[0] == 0:
            raise NO_MEMORY
        left[0] -= 1
        return real(engine, images)

    with monkeypatch.context() as patch:
        patch.setattr(OnnxRuntimeEngine, "_run", run)
        with pytest.raises(EngineError, match="end what else takes its memory; run this again"):
            bb.extract(photos, "efficientnet_lite0", cache=cache, commit_every=8)
    again = bb.extract(photos, "efficientnet_lite0", cache=cache)
    assert again.report.cached >= 8
    assert again.report.cached + again.report.extracted == 60


def refuse(monkeypatch, wrong):
    """Let engines disagree with the reference."""
    for module in (select, onnxruntime):
        real = module.require_agreement

        def require_agreement(engine, source, *, many, real=real):
            if wrong(engine):
                raise onnxruntime.DisagreesError("cosine 0.5")
            real(engine, source, many=many)

        monkeypatch.setattr(module, "require_agreement", require_agreement)
