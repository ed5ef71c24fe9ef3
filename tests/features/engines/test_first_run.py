"""What a network in an ONNX file is compared with: another library than the one that runs it."""

import json
import logging
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.backbones import onnx_file
from bottlebank.features.engines import first_run
from bottlebank.features.engines.conversion import read_reference
from bottlebank.features.engines.first_run import EVALUATOR
from bottlebank.features.engines.openvino import OpenVinoEngine
from bottlebank.features.golden_images import golden_pixels

from ..backbones.onnx_networks import SIZE_PX, cnn, save, vit


@pytest.fixture
def without_onnxruntime(monkeypatch):
    monkeypatch.setattr(first_run, "find_spec", lambda name: None)


def started(path, folder, engine="openvino", precisions=("float32",)):
    recipe, weights = recipe_for(ExtractorSpec.of(str(path), scaling="torch"))
    given = {"engine": engine, "precisions": precisions, "networks": folder}
    return open_extractor(recipe, lambda: weights, **given)


def kept(path, folder, engine="openvino"):
    started(path, folder, engine)
    [network] = folder.iterdir()
    return network, read_reference(network)


@pytest.mark.parametrize(
    ("engine", "by"), [("openvino", "ONNX Runtime"), ("onnxruntime", "OpenVINO")]
)
def test_each_engine_is_compared_with_the_other(tmp_path, engine, by):
    pytest.importorskip("onnxruntime")
    path = save(cnn(), tmp_path / "net.onnx")
    assert kept(path, tmp_path / "networks", engine)[1].by == by


def test_without_onnx_runtime_the_reference_is_onnxs_own(tmp_path, without_onnxruntime, caplog):
    path = save(vit(), tmp_path / "vit.onnx")
    network, reference = kept(path, tmp_path / "networks")
    assert reference.by == EVALUATOR
    backbone, weights = onnx_file.open_file(path, ExtractorSpec.of(str(path), scaling="torch"))
    onnx_file.write_onnx(backbone, weights, tmp_path)
    model = onnx.load(tmp_path / "network.onnx")
    given = {model.graph.input[0].name: golden_pixels(SIZE_PX)}
    [expected] = ReferenceEvaluator(model).run(None, given)
    np.testing.assert_allclose(reference.features, expected, rtol=1e-5, atol=1e-6)
    by_openvino = OpenVinoEngine(network, "float32", many=False)(golden_pixels(SIZE_PX))
    assert not np.array_equal(reference.features, by_openvino)
    assert caplog.messages == []


@pytest.mark.parametrize("kind", ["slow", "in 16 bits"])
def test_what_nothing_else_can_run_is_said_to_be_unchecked(
    tmp_path, without_onnxruntime, monkeypatch, caplog, kind
):
    caplog.set_level(logging.WARNING, "bottlebank")
    if kind == "slow":
        monkeypatch.setattr(first_run, "_EVALUATION_S", 1e-3)
    path = save(cnn(dtype=np.float16 if kind == "in 16 bits" else np.float32), tmp_path / "n.onnx")
    assert kept(path, tmp_path / "networks")[1].by == "OpenVINO"
    assert caplog.messages == [
        "nothing else here could run n.onnx: what OpenVINO computes with it is not checked; to "
        "compare it with ONNX Runtime, pip install onnxruntime tf2onnx and run once with "
        "--engine onnxruntime"
    ]


def test_an_engine_that_computes_something_else_is_refused_by_name_of_the_reference(
    tmp_path, without_onnxruntime, monkeypatch
):
    path = save(cnn(), tmp_path / "net.onnx")
    real = OpenVinoEngine.__call__
    monkeypatch.setattr(OpenVinoEngine, "__call__", lambda self, images: -real(self, images))
    message = "differ from those of the reference evaluator of ONNX in float32: cosine -1.00000"
    with pytest.raises(EngineError, match=message):
        started(path, tmp_path / "networks")


@pytest.mark.parametrize("opset", [8, 13, 17])
def test_batches_are_normalized_as_at_inference_in_every_version(
    tmp_path, without_onnxruntime, opset
):
    model = cnn(opset=opset)
    rng, names = np.random.default_rng(0), ["scale", "bias", "mean", "var"]
    values = [rng.uniform(0.5, 2, 8).astype(np.float32) for _ in names]
    model.graph.initializer.extend(map(onnx.numpy_helper.from_array, values, names))
    node = onnx.helper.make_node("BatchNormalization", ["conv0", *names], ["normal"])
    model.graph.node.insert(1, node)
    model.graph.node[2].input[0] = "normal"
    path = save(model, tmp_path / "net.onnx")
    assert kept(path, tmp_path / "networks")[1].by == EVALUATOR


def test_where_two_libraries_disagree_a_third_decides(tmp_path, without_onnxruntime, monkeypatch):
    apart = first_run.apart

    def wrong(module, function, file, features, *more, **settings):
        sent = apart(module, function, file, features, *more, **settings)
        if function == "evaluate":
            np.save(features, np.load(features)[:, ::-1])
        return sent

    monkeypatch.setattr(first_run, "apart", wrong)
    path = save(cnn(), tmp_path / "net.onnx")
    message = (
        r"OpenVINO computes with net\.onnx differs from the reference evaluator of ONNX: cosine 0\."
        r".*pip install onnxruntime tf2onnx, which decides"
    )
    with pytest.raises(EngineError, match=message):
        started(path, tmp_path / "networks")
    assert not (tmp_path / "networks").exists()
    monkeypatch.undo()
    if find_spec("onnxruntime"):
        assert kept(path, tmp_path / "networks")[1].by == "ONNX Runtime"


def test_networks_that_say_no_reference_have_tensorflows(cache):
    [network] = (cache / "networks").iterdir()
    manifest = json.loads((network / "manifest.json").read_text())
    assert manifest.pop("reference") == "TensorFlow"
    (network / "manifest.json").write_text(json.dumps(manifest))
    assert read_reference(network).by == "TensorFlow"
