"""Networks of every kind, in every format that can hold them."""

import numpy as np
import pytest
from onnx.checker import ValidationError

from bottlebank.classifier.layers import standardisation
from bottlebank.errors import EngineError, UsageError
from bottlebank.export.registry import EXPORTERS, require_exportable
from bottlebank.features.golden_images import golden_pixels

from ..features.backbones import onnx_networks
from ..features.backbones.keras import written as keras_files
from ..features.backbones.saved_model.conftest import networks  # noqa: F401 (a fixture)
from .conftest import exporter_of, features_of, job_for, written

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def assert_all_agree(job, tmp_path, *, refused=(), fails=()):
    """Every format gives what the head gives, or is refused, or fails with its library's reason."""
    pixels = golden_pixels(job.recipe.input_size_px)
    features = features_of(job, pixels)
    mean, scale = standardisation(features)  # so that logits are as small as those of a real head
    job = job._replace(layers=job.layers._replace(mean=mean, scale=scale))
    expected = job.layers.probabilities(features)
    assert expected.max(axis=1).min() < 0.9999  # not so certain that nothing could differ
    for name in EXPORTERS:
        if name in refused:
            with pytest.raises(UsageError, match="cannot be exported as .*: choose --format "):
                require_exportable(name, job.backbone)
            continue
        require_exportable(name, job.backbone)
        if name in fails:
            with pytest.raises((EngineError, ValidationError), match="No Op registered for"):
                written(name, job, tmp_path)
            continue
        folder, takes_many = written(name, job, tmp_path)
        run = exporter_of(name).opened(folder)
        if takes_many:
            found = run(pixels)
        else:
            found = np.concatenate([run(each[np.newaxis]) for each in pixels])
        np.testing.assert_allclose(found, expected, atol=2e-4, err_msg=name)


# tf2onnx leaves what Keras compiles by XLA, as convolutions in groups, and some operators.
NO_ONNX = {"fails": {"onnx"}}
APPLICATIONS = [
    ("vgg16", "VGG16", {"size": 48}),  # BGR
    ("mobilenet_v2", "MobileNetV2", {"size": 96, "layer": ["block_6_expand", "out_relu"]}),
    ("convnext_tiny", "ConvNeXtTiny", {"size": 64}),  # layers of its own
    ("efficientnet_v2_b0", "EfficientNetV2B0", {"size": 64}),  # scales pixels itself
    ("resnet50", "ResNet50", {"size": 64, "scaling": "0,1"}),
    ("nasnet_mobile", "NASNetMobile", {"size": 64}),
    ("mobilenet_v3_small", "MobileNetV3Small", {"size": 64}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "constructor", "settings"), APPLICATIONS)
def test_networks_of_keras_applications(name, constructor, settings, tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    size = settings["size"]
    network = getattr(keras.applications, constructor)(
        weights=None, include_top=False, input_shape=(size, size, 3)
    )
    if name != "efficientnet_v2_b0":  # elsewhere, a new network makes nearly the same of pictures
        for variable in network.variables:
            if "variance" in variable.path:
                variable.assign(variable * 0.5)
    network.save_weights(tmp_path / "drawn.weights.h5")
    job = job_for(name, tmp_path / "job", weights=tmp_path / "drawn.weights.h5", **settings)
    assert_all_agree(job, tmp_path, **(NO_ONNX if name == "convnext_tiny" else {}))


@pytest.mark.slow
def test_the_network_that_is_installed(tmp_path):
    assert_all_agree(job_for("efficientnet_lite0", tmp_path / "job", fit="pad"), tmp_path)


@pytest.mark.slow
def test_a_network_in_a_file_of_keras(tmp_path):
    (tmp_path / "net.keras").write_bytes(keras_files.archive())
    job = job_for(tmp_path / "net.keras", tmp_path / "job", scaling="tf")
    assert_all_agree(job, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [("cnn", {}), ("vit cls", {"scaling": "tf"}), ("single", {"scaling": "tf"})],
)
def test_a_network_in_a_saved_model(name, settings, networks, tmp_path):  # noqa: F811
    job = job_for(networks / name.split()[0], tmp_path / "job", **settings)
    fails = NO_ONNX if name == "cnn" else {}
    assert_all_agree(job, tmp_path, refused={"keras"}, **fails)


ONNX_ONLY = {"keras", "savedmodel", "litert"}


@pytest.mark.parametrize(
    "settings", [{"batch": 1}, {"opset": 11}, {"opset": 13}, {"opset": 20}, {"opset": 22}], ids=str
)
def test_a_network_in_an_onnx_file(settings, tmp_path):
    onnx_networks.save(onnx_networks.cnn(**settings), tmp_path / "net.onnx")
    job = job_for(tmp_path / "net.onnx", tmp_path / "job", scaling="tf")
    assert_all_agree(job, tmp_path, refused=ONNX_ONLY)


def test_what_a_refusal_offers(tmp_path):
    onnx_networks.save(onnx_networks.cnn(), tmp_path / "net.onnx")
    job = job_for(tmp_path / "net.onnx", tmp_path / "job", scaling="tf")
    with pytest.raises(UsageError) as refused:
        require_exportable("litert", job.backbone)
    assert str(refused.value) == (
        "a network in an ONNX file cannot be exported as LiteRT: choose --format onnx or openvino"
    )
