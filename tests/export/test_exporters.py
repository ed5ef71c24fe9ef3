"""Each exporter by itself: what it writes gives, in its own runtime, what the head gives."""

import configparser

import numpy as np
import onnx
import pytest

from bottlebank.classifier.layers import standardisation
from bottlebank.export.registry import EXPORTERS, GRAPH, LAYERS, ONNX, OPENVINO
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.golden_images import golden_pixels

from ..conftest import ROOT
from .conftest import expected_of, exporter_of, features_of, job_for, written

# Keras 3.15 saves TensorFlow's variables through NumPy's older protocol.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_is_written_gives_the_probabilities_of_the_head(name, tmp_path):
    job = job_for("random", tmp_path / "job")
    folder, takes_many = written(name, job, tmp_path)
    assert takes_many
    names = {path.name for path in folder.iterdir()}
    assert names <= {*EXPORTERS[name].files}
    pixels = golden_pixels(64)
    run = exporter_of(name).opened(folder)
    for some in (pixels, pixels[:1], pixels[1:]):
        found = run(some)
        np.testing.assert_allclose(found, expected_of(job, some), atol=1e-5)
        assert found.dtype == np.float32


@pytest.mark.parametrize("name", EXPORTERS)
def test_features_that_hardly_scatter_count_as_in_the_head(name, tmp_path):
    job = job_for("random", tmp_path / "job")
    pixels = golden_pixels(64)
    mean, scale = standardisation(features_of(job, pixels))
    kernel = job.layers.kernels[0] * np.float32(1e-8) / scale[:, np.newaxis]
    tiny = np.full_like(scale, 1e-8)
    kernels = [kernel, *job.layers.kernels[1:]]
    job = job._replace(layers=job.layers._replace(mean=mean, scale=tiny, kernels=kernels))
    folder, _ = written(name, job, tmp_path)
    found = exporter_of(name).opened(folder)(pixels)
    np.testing.assert_allclose(found, expected_of(job, pixels), atol=1e-4)


@pytest.mark.parametrize("name", [name for name in EXPORTERS if EXPORTERS[name].any_size])
def test_pictures_of_other_sizes_are_scaled(name, tmp_path):
    job = job_for("random", tmp_path / "job", fit="crop")
    folder, _ = written(name, job, tmp_path)
    run = exporter_of(name).opened(folder)
    for height, width in ((64, 64), (64, 90), (300, 129), (20, 31)):
        pixels = golden_pixels(300)[:2, :height, :width]
        fitted = np.stack([job.preprocessing.applied_to(each) for each in pixels])
        if min(height, width) >= 128:
            continue  # halved first, as the decoder does: see test_resizing
        np.testing.assert_allclose(run(pixels), expected_of(job, fitted), atol=0.02)
    assert run(golden_pixels(300)).shape == (4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_an_onnx_file_is_an_extractor_of_the_same_features(fit, tmp_path):
    job = job_for("random", tmp_path / "job", fit=fit)
    folder, _ = written("onnx", job, tmp_path)
    domains = [each.domain for each in onnx.load(folder / "model.onnx").opset_import]
    assert len(domains) == len(set(domains))
    size_px = job.recipe.input_size_px
    spec = ExtractorSpec.of(str(folder / "model.onnx"), size=size_px)
    pixels = golden_pixels(size_px)
    recipe, weights = recipe_for(spec)
    found = open_extractor(
        *(recipe, lambda: weights), precisions=["float32"], networks=tmp_path / "other"
    ).transfer_values(pixels)
    # Before the classes stands the dense head's hidden layer.
    layers = job.layers
    values = (features_of(job, pixels) - layers.mean) / layers.scale
    hidden = np.maximum(values @ layers.kernels[0] + layers.biases[0], 0)
    assert hidden.any()
    np.testing.assert_allclose(found, hidden, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_line_names_what_setup_cfg_installs(name):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    entry, extras = EXPORTERS[name], setup["options.extras_require"]
    for libraries, extra in (
        (entry.libraries, entry.extra),
        (entry.quantizes_with or (), entry.quantize_extra),
    ):
        for library in libraries:
            assert library.replace("_", "-") in extras[extra]


def test_forms_are_refused_to_networks_that_do_not_have_them():
    from bottlebank.features.backbones.registry import BACKBONES

    onnx = BACKBONES["random"]._replace(module=".onnx_file", constructor="onnx")
    saved = onnx._replace(module=".saved_model.folder", constructor="saved_model")
    takes = {
        form: [entry.takes(each) for each in (BACKBONES["efficientnet_lite0"], saved, onnx)]
        for form, entry in ((entry.form, entry) for entry in EXPORTERS.values())
    }
    assert takes == {
        LAYERS: [True, False, False],
        GRAPH: [True, True, False],
        ONNX: [True, True, True],
        OPENVINO: [True, True, True],
    }
