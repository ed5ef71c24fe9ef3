import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bottlebank.errors import EngineError, UsageError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.backbones.weights import Weights
from bottlebank.features.engines import conversion as networks
from bottlebank.features.engines import select
from bottlebank.features.engines.select import preferred_precisions
from bottlebank.features.golden_images import golden_pixels, least_cosine

RECIPE, WEIGHTS = recipe_for(ExtractorSpec("random"))


def random_extractor(engine: str, networks=None, precision="float32"):
    return open_extractor(
        RECIPE, lambda: WEIGHTS, engine=engine, precisions=[precision], networks=networks
    )


@pytest.fixture
def no_tensorflow(monkeypatch):
    def refuse():
        raise AssertionError("TensorFlow was imported")

    monkeypatch.setattr(networks, "import_tensorflow_engine", refuse)


def test_openvino_agrees_with_tensorflow(converted_random):
    images = np.random.default_rng(1).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    reference = random_extractor("tensorflow").transfer_values(images)
    fast = random_extractor("openvino", converted_random).transfer_values(images)
    assert reference.dtype == fast.dtype == np.float32
    assert reference.shape == (7, 512)
    np.testing.assert_allclose(fast, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("n_images", [1, 3, 8, 9, 21, 64])
def test_a_batch_changes_nothing(converted_random, many, n_images):
    extractor = open_extractor(
        RECIPE, lambda: WEIGHTS, precisions=["float32"], networks=converted_random, many=many
    )
    images = np.random.default_rng(3).integers(0, 256, (n_images, 64, 64, 3), dtype=np.uint8)
    together = extractor.transfer_values(images)
    alone = np.concatenate([extractor.transfer_values(image[np.newaxis]) for image in images])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_both_sizes_of_batches_are_checked(converted_random, monkeypatch):
    """An engine whose batches are wrong, and whose single images are right, is refused."""
    from bottlebank.features.engines.openvino import OpenVinoEngine

    real = OpenVinoEngine.__call__

    def call(self, images):
        features = real(self, images)
        features[0] = features[0] if len(images) < 8 else features[0, ::-1]
        return features

    monkeypatch.setattr(OpenVinoEngine, "__call__", call)
    settings = {"engine": "openvino", "precisions": ["float32"], "networks": converted_random}
    assert open_extractor(RECIPE, lambda: WEIGHTS, **settings).engine == "openvino"
    with pytest.raises(EngineError, match="differ from those of TensorFlow in float32"):
        open_extractor(RECIPE, lambda: WEIGHTS, **settings, many=True)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_threads_with_batches_of_every_size_do_not_crash(converted_random, precision):
    """As OpenVINO does when one compiled network takes batches of any size; see its engine."""
    if precision not in preferred_precisions("openvino"):
        pytest.skip(f"this CPU does not compute in {precision}")
    script = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from bottlebank.features import ExtractorSpec, find_backbone, open_extractor, recipe_for\n"
        "recipe, weights = recipe_for(ExtractorSpec('random'))\n"
        "extractor = open_extractor(recipe, lambda: weights, engine='openvino', many=True,\n"
        "    precisions=[sys.argv[2]], networks=Path(sys.argv[1]))\n"
        "images = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)\n"
        "expected, end = extractor.transfer_values(images), time.monotonic() + 20\n"
        "def work(seed):\n"
        "    random = np.random.default_rng(seed)\n"
        "    while time.monotonic() < end:\n"
        "        n = random.integers(1, 41)\n"
        "        found = extractor.transfer_values(images[:n])\n"
        "        assert np.abs(found - expected[:n]).max() < 0.05 * np.abs(expected).max()\n"
        "    done.append(seed)\n"
        "for _ in range(3):\n"  # requests come and go with their threads
        "    end, done = time.monotonic() + 7, []\n"
        "    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]\n"
        "    [thread.start() for thread in threads]\n"
        "    [thread.join() for thread in threads]\n"
        "    assert len(done) == 4\n"
    )
    command = [sys.executable, "-c", script, str(converted_random), precision]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_converted_network_starts_without_tensorflow(converted_random, no_tensorflow):
    extractor = random_extractor("auto", converted_random)
    assert (extractor.engine, extractor.precision) == ("openvino", "float32")


def test_threads_get_their_own_answers(converted_random):
    extractor = random_extractor("openvino", converted_random)
    images = np.random.default_rng(2).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    expected = extractor.transfer_values(images)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: extractor.transfer_values(images[i : i + 1])[0], range(16)))
    np.testing.assert_allclose(np.array(found), expected, rtol=1e-5, atol=1e-6)


def test_a_damaged_network_is_converted_again(cache):
    kept = cache / "networks" / RECIPE.fingerprint
    binary = kept / "network.bin"
    data = bytearray(binary.read_bytes())
    data[100] ^= 1
    binary.write_bytes(data)
    extractor = random_extractor("openvino", cache / "networks")
    assert (
        least_cosine(extractor.transfer_values(golden_pixels(64)), np.load(kept / "reference.npy"))
        > 0.9999
    )
    assert json.loads((kept / "manifest.json").read_text())["network.bin"]
    assert sorted(path.name for path in (cache / "networks").iterdir()) == [RECIPE.fingerprint]


def test_an_engine_whose_numbers_are_not_the_networks_is_refused(cache, monkeypatch, caplog):
    """As if a conversion had gone wrong: the kept reference is of another network."""
    kept = cache / "networks" / RECIPE.fingerprint
    reference = np.load(kept / "reference.npy")
    np.save(kept / "reference.npy", reference[:, ::-1])
    monkeypatch.setattr(networks, "_is_whole", lambda *_: True)
    with pytest.raises(
        EngineError, match=r"openvino in float32: .* cosine 0\.\d+, expected at least 0.9999"
    ):
        random_extractor("openvino", cache / "networks")
    caplog.clear()
    assert random_extractor("auto", cache / "networks").engine == "tensorflow"
    (line,) = caplog.messages
    assert line.startswith("not used: openvino in float32: its transfer values differ")


def test_without_openvino_auto_takes_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "bottlebank.features.engines.openvino", None)
    assert random_extractor("auto").engine == "tensorflow"
    with pytest.raises(EngineError, match="OpenVINO cannot be imported"):
        random_extractor("openvino")


def test_openvino_starts_without_a_word_to_its_makers(tmp_path):
    """Its import would count the user, in a thread that sends and in files in their home."""
    script = (
        "import threading\n"
        "import bottlebank.features.engines.openvino\n"
        "print(threading.active_count())\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL"):
        environment.pop(name, None)  # where it keeps still of itself
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert not (tmp_path / "intel").exists()


def test_tensorflow_computes_in_bfloat16_when_told():
    images = np.random.default_rng(1).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    mixed = random_extractor("tensorflow", precision="bfloat16")
    assert (mixed.engine, mixed.precision) == ("tensorflow", "bfloat16")
    features = mixed.transfer_values(images)
    reference = random_extractor("tensorflow").transfer_values(images)
    assert features.dtype == np.float32
    assert not np.array_equal(features, reference)
    assert least_cosine(features, reference) > 0.999


def test_auto_leaves_bfloat16_in_tensorflow_to_gpus(monkeypatch):
    monkeypatch.setitem(sys.modules, "bottlebank.features.engines.openvino", None)
    with pytest.raises(EngineError, match="openvino in bfloat16: OpenVINO cannot be imported"):
        random_extractor("auto", precision="bfloat16")


def test_images_go_to_a_gpu_where_tensorflow_finds_one(converted_random, monkeypatch, caplog):
    def engine(gpu):
        return open_extractor(
            RECIPE, lambda: WEIGHTS, precisions=["float32"], networks=converted_random, gpu=gpu
        ).engine

    caplog.set_level("INFO")
    monkeypatch.setattr(select, "may_have_gpu", lambda: True)
    assert engine(gpu=True) == "openvino"
    assert "TensorFlow finds no GPU that it can use" in caplog.text
    from bottlebank.features.engines import tensorflow

    monkeypatch.setattr(tensorflow, "has_gpu", lambda: True)
    assert engine(gpu=True) == "tensorflow"
    assert engine(gpu=False) == "openvino"


def test_images_may_lie_in_memory_in_any_way(converted_random):
    extractor = open_extractor(
        RECIPE, lambda: WEIGHTS, precisions=["float32"], networks=converted_random, many=True
    )
    images = np.random.default_rng(4).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    expected = extractor.transfer_values(np.ascontiguousarray(images[::2, :, ::-1]))
    strided = extractor.transfer_values(images[::2, :, ::-1])
    images.flags.writeable = False
    read_only = extractor.transfer_values(images)[::2]
    np.testing.assert_allclose(strided, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        read_only, extractor.transfer_values(images[::2].copy()), rtol=1e-5, atol=1e-6
    )
    assert extractor.transfer_values(images[:0]).shape == (0, 512)


def test_images_of_another_shape_or_type_are_refused(converted_random):
    extractor = random_extractor("openvino", converted_random)
    for images in (
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 63, 64, 3), np.uint8),
    ):
        with pytest.raises(UsageError, match=r"expected uint8 images \(n, 64, 64, 3\), received"):
            extractor.transfer_values(images)


def test_a_weights_file_of_another_network_is_refused(tmp_path):
    import h5py

    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["a"] = [1.0]
    recipe, weights = recipe_for(ExtractorSpec("mobilenet_v2", str(path)))
    with pytest.raises(EngineError, match="does not hold weights without top of mobilenet_v2"):
        open_extractor(recipe, lambda: weights, engine="tensorflow", precisions=["float32"])


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", b"", b"text", None])
def test_a_file_without_layers_is_refused_once_and_before_tensorflow(
    tmp_path, monkeypatch, photos, caplog, content
):
    import h5py

    import bottlebank as bb

    path = tmp_path / "head.h5"
    if content is None:
        with h5py.File(path, "w") as file:
            file["a"] = [1.0]
    else:
        path.write_bytes(content)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(EngineError) as refused:
        bb.extract(photos, "mobilenet_v2", weights=path, cache=tmp_path / "cache")
    message = str(refused.value)
    assert message.startswith(f"{path} does not hold weights without top of mobilenet_v2: ")
    assert message.count("does not hold") == 1
    assert not [each for each in caplog.messages if "not used" in each]


def test_a_networks_folder_that_cannot_be_written_costs_only_time(tmp_path, caplog):
    (tmp_path / "networks").write_text("a file in the way")
    extractor = random_extractor("openvino", tmp_path / "networks")
    assert extractor.transfer_values(golden_pixels(64)).shape == (4, 512)
    assert "is not kept" in caplog.text


def test_values_that_are_not_finite_are_an_error():
    from bottlebank.features import Extractor

    class Broken:
        name, precision = "openvino", "bfloat16"

        def __call__(self, images):
            return np.full((len(images), 512), np.nan, np.float32)

    with pytest.raises(EngineError, match="not finite .* --precision float32"):
        Extractor(RECIPE, Broken()).transfer_values(golden_pixels(64))


def test_golden_pixels_are_always_the_same():
    import hashlib

    images = golden_pixels(64)
    assert images.shape == (4, 64, 64, 3)
    assert images.std() > 20
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    assert digest == hashlib.sha256(golden_pixels(64).tobytes()).hexdigest()


@pytest.mark.weights
@pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_mobilenet_engines_agree_on_real_photographs(imagenet, clothing, tmp_path, every):
    from bottlebank.datasets import load_dataset
    from bottlebank.features.images.decoder import read

    recipe, weights = recipe_for(ExtractorSpec("mobilenet_v2"))

    def started(engine, precision):
        return open_extractor(
            recipe, lambda: weights, engine=engine, precisions=[precision], networks=tmp_path
        )

    tensorflow = started("tensorflow", "float32")
    paths = load_dataset(clothing / "validation").paths[::every]
    images = np.stack([tensorflow.decode_and_resize(read(path)[0]) for path in paths])

    def features(extractor):
        size = extractor.batch_size
        parts = range(0, len(images), size)
        return np.concatenate([extractor.transfer_values(images[i : i + size]) for i in parts])

    reference = features(tensorflow)
    limits = {"float32": 0.9999, "bfloat16": 0.995}
    for precision in preferred_precisions("openvino"):
        least = least_cosine(features(started("openvino", precision)), reference)
        print(f"{precision}: least cosine {least:.6f} over {len(images)} photographs")  # noqa: T201 (for `pytest -s`)
        assert least >= limits[precision]


@pytest.mark.weights
def test_mobilenet_weights_load_alike_by_name_and_by_file(imagenet):
    by_name, weights = recipe_for(ExtractorSpec("mobilenet_v2"))
    by_file, _ = recipe_for(ExtractorSpec("mobilenet_v2", str(weights.path)))
    assert by_name.fingerprint == by_file.fingerprint
    assert dataclasses.replace(by_file, weights="imagenet") == by_name
    assert isinstance(weights, Weights)
