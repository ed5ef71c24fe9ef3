"""Folders as published on the Hugging Face Hub: what is chosen in them, and the features."""

import io
import json
from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from bottlebank.errors import EngineError, RecipeError, UnknownExtractorError, UsageError
from bottlebank.features import ExtractorSpec, Recipe, open_extractor, recipe_for
from bottlebank.features.backbones.hub.folder import layers, licence_of, network_in
from bottlebank.features.backbones.opening import open_backbone
from bottlebank.features.backbones.spec import SettingError
from bottlebank.features.find_again import spec_at
from bottlebank.features.recipe import described_backbone

from .published import FAMILIES

PATCH_PX, WIDTH = 16, 8


@cache
def weights() -> tuple[np.ndarray, np.ndarray]:
    """Of patches (WIDTH, 3, PATCH_PX, PATCH_PX), and a class token (WIDTH,)."""
    random = np.random.default_rng(4)
    patches = random.normal(0, 0.02, (WIDTH, 3, PATCH_PX, PATCH_PX)).astype(np.float32)
    return patches, random.normal(0, 1, WIDTH).astype(np.float32)


@cache
def network(size_px: int | None) -> bytes:
    """A vision transformer without its blocks: patches, and a class token that is their sum."""
    patches, token = weights()
    nodes = [
        helper.make_node("Conv", ["pixel_values", "patches"], ["map"], strides=[PATCH_PX] * 2),
        helper.make_node("Reshape", ["map", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["tokens", "axis"], ["sum"]),
        helper.make_node("Add", ["sum", "token"], ["class_token"]),
        helper.make_node("Concat", ["class_token", "tokens"], ["last_hidden_state"], axis=1),
    ]
    constants = {
        "patches": patches,
        "token": token,
        "flat": np.array([0, WIDTH, -1]),
        "axis": np.array([1]),
    }
    side = size_px or "side"
    graph = helper.make_graph(
        nodes,
        "vit",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "t", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tokens_of(values: np.ndarray) -> np.ndarray:
    """What the network makes of its input (3, height, width), with NumPy: (tokens, WIDTH)."""
    patches, token = weights()
    _, height, width = values.shape
    cut = values.reshape(3, height // PATCH_PX, PATCH_PX, width // PATCH_PX, PATCH_PX)
    tokens = np.einsum("cyixj,wcij->yxw", cut, patches.astype(np.float64)).reshape(-1, WIDTH)
    return np.concatenate([[tokens.sum(0) + token], tokens])


@pytest.fixture
def folder(tmp_path):
    """DINOv2's, with a network of any size."""
    return published(tmp_path / "dinov2-small", "dinov2", None)


def published(folder, family, size_px):
    folder.mkdir(parents=True, exist_ok=True)
    for name, described in FAMILIES[family].files.items():
        (folder / name).write_text(json.dumps(described))
    (folder / "onnx").mkdir(exist_ok=True)
    (folder / "onnx" / "model.onnx").write_bytes(network(size_px))
    return folder


def photograph() -> Image.Image:
    """437×301, without symmetry."""
    down, across = np.mgrid[:301, :437]
    colours = [down * 0.8, across * 0.5, 90 + 80 * np.sin(down / 9) * np.cos(across / 13)]
    values = np.stack(colours, 2)
    values[40:90, 60:200] = (250, 10, 60)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def features_of(spec: ExtractorSpec) -> np.ndarray:
    recipe, found = recipe_for(spec)
    extractor = open_extractor(recipe, lambda: found, engine="openvino", precisions=["float32"])
    file = io.BytesIO()
    photograph().save(file, "PNG")
    return extractor.transfer_values(extractor.decode_and_resize(file.getvalue())[None])[0]


FAST = ("dinov2", "mobilevit", "efficientnet")
"""Of the others, pixels alone are compared in a fast test."""


@pytest.mark.parametrize(
    "family",
    [pytest.param(family, marks=() if family in FAST else pytest.mark.slow) for family in FAMILIES],
)
def test_features_are_those_of_the_published_pixels(tmp_path, family):
    size_px = FAMILIES[family].size_px
    spec = ExtractorSpec(str(published(tmp_path / family, family, size_px)))
    expected = tokens_of(FAMILIES[family].rule(photograph()))
    cls = features_of(spec)
    off = np.abs(cls - expected[0]).max() / np.abs(expected[0]).max()
    assert off < (1e-2 if family == "dinov3" else 1e-4)  # which scales in floating point


def test_cls_mean_size_and_fit_are_chosen(folder):
    spec = ExtractorSpec(str(folder))
    recipe, _ = recipe_for(spec)
    assert (recipe.pooling, recipe.layers) == ("CLS token", ("last_hidden_state",))
    mean = spec._replace(pooling="mean")
    assert recipe_for(mean)[0].pooling == "mean over tokens"
    expected = tokens_of(FAMILIES["dinov2"].rule(photograph())).mean(0)
    assert np.allclose(features_of(mean), expected, rtol=1e-3, atol=1e-3)
    larger, _ = recipe_for(spec._replace(size_px=448))
    assert larger.resize.startswith(
        "Pillow bicubic, shorter side to 512, the longer rounded down; mid"
    )
    padded, _ = recipe_for(spec._replace(fit="pad"))
    assert (padded.fit, recipe.fit) == ("pad", "crop")
    fingerprints = {each.fingerprint for each in (recipe, larger, padded, recipe_for(mean)[0])}
    assert len(fingerprints) == 4


def test_the_scaling_is_the_folders_own(folder):
    """Another would be wrong without a word; that of its recipe, from which it is found again."""
    spec = ExtractorSpec(str(folder))
    recipe, _ = recipe_for(spec)
    with pytest.raises(SettingError, match="^dinov2-small says how pixels .*leave --scaling out"):
        recipe_for(spec._replace(scaling="tf"))
    of_mean = recipe_for(spec._replace(pooling="mean"))[0]
    for each in (recipe, of_mean):
        again = spec_at(each, folder)
        assert again is not None
        assert recipe_for(again)[0] == each
    assert recipe_for(spec._replace(scaling=recipe.pixel_scaling))[0] == recipe


def test_a_recipe_says_all_without_the_folder(folder):
    (folder / "README.md").write_text("---\ntags:\n- x\nlicense: apache-2.0\n---\n# Model\n")
    spec = ExtractorSpec(str(folder))
    recipe, found = recipe_for(spec)
    assert (recipe.extractor, recipe.weights, recipe.licence) == (
        "dinov2-small",
        "model.onnx",
        "apache-2.0",
    )
    again = Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    assert again == recipe
    assert described_backbone(again) == open_backbone(spec)[0]
    assert recipe.settings_in_words() == (
        "model.onnx; layer last_hidden_state; pooling: CLS token; scaled: Pillow bicubic, shorter "
        "side to 256, the longer rounded down; middle 224, offset rounded down, on (0, 0, 0); "
        "RGB * (0.01712, 0.01751, 0.01743) + (-2.118, -2.036, -1.804); licence: apache-2.0"
    )
    folder.rename(folder.with_name("renamed"))
    moved, _ = recipe_for(ExtractorSpec(str(folder.with_name("renamed"))))
    assert moved.extractor == "renamed"
    assert moved.fingerprint == recipe.fingerprint
    assert found.path == folder / "onnx" / "model.onnx"


@pytest.mark.parametrize(
    "resize",
    ["Pillow bicubic, both sides to 512, warped", "Pillow sinc, both sides to 224, warped", ""],
)
def test_a_recipe_with_another_rule_is_refused(folder, resize):
    recipe, _ = recipe_for(ExtractorSpec(str(folder)))
    damaged = Recipe.from_dict({**recipe.as_dict(), "resize": resize})
    with pytest.raises(RecipeError, match="scaled|does not give pictures of"):
        described_backbone(damaged)


def test_messages_name_the_folder_not_the_file_in_it(tmp_path):
    folder = published(tmp_path / "dinov2-small", "dinov2", 224)
    spec = ExtractorSpec(str(folder), size_px=64)
    with pytest.raises(UsageError, match=r"^dinov2-small takes pictures of 224 px, not of 64: "):
        recipe_for(spec)
    with pytest.raises(UsageError, match=r"^dinov2-small has no layer 'x' .*dinov2-small. lists"):
        recipe_for(spec._replace(size_px=None, layers=("x",)))


def test_a_size_of_the_pixels_that_the_network_does_not_take_is_no_setting(tmp_path):
    folder = published(tmp_path / "dinov2-small", "dinov2", 240)
    message = r"contradict one another: dinov2-small takes pictures of 240 px, not of 224$"
    with pytest.raises(EngineError, match=message):
        recipe_for(ExtractorSpec(str(folder)))
    with pytest.raises(EngineError, match=message):
        layers(folder, ExtractorSpec(str(folder)))


def test_what_cannot_be_is_refused(folder):
    spec = ExtractorSpec(str(folder))
    with pytest.raises(UsageError, match="has no layer 'pooler'"):
        recipe_for(spec._replace(layers=("pooler",)))
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "Sam"}')
    with pytest.raises(EngineError, match=r"preprocessor_config.json: image_processor_type: expe"):
        recipe_for(spec)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(EngineError, match="does not say how pixels are made"):
        recipe_for(spec)
    (folder / "onnx" / "model.onnx").unlink()
    with pytest.raises(UnknownExtractorError, match=r"dinov2-small: there is no model.onnx"):
        recipe_for(spec)


def test_a_network_that_is_a_link_to_nothing_is_not_passed_over(folder):
    network = folder / "onnx" / "model.onnx"
    network.rename(folder / "onnx" / "model_fp16.onnx")
    network.symlink_to("elsewhere")
    with pytest.raises(EngineError, match=r"model.onnx cannot be an extractor: .*No such file"):
        recipe_for(ExtractorSpec(str(folder)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.onnx", "onnx/model.onnx"], "model.onnx"),
        (["onnx/model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx"], "onnx/vision_mo"),
        (["onnx/model_fp16.onnx", "onnx/model_q4.onnx", "README.md"], "onnx/model_fp16.onnx"),
        (["onnx/model_quantized.onnx"], "onnx/model_quantized.onnx"),
        (["onnx/model_q4.onnx", "onnx/model.onnx", "onnx/model_fp16.onnx"], "onnx/model.onnx"),
    ],
)
def test_the_network_in_full_precision_is_taken(names, expected):
    assert network_in(names).startswith(expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["onnx/model_q4.onnx", "onnx/model_int8.onnx"], "only networks of reduced precision"),
        (["model.safetensors", "onnx/decoder.onnx", "x/model.onnx"], "there is no model.onnx"),
    ],
)
def test_where_none_can_be_taken_the_reason_is_given(names, message):
    with pytest.raises(UnknownExtractorError, match=message):
        network_in(names)


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\r\nlicense: 'mit'\r\n---\r\n", "mit"),
        ("---\nlicense: other\nlicense_name: dinov3-license\n---\n", "dinov3-license"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags:\n- license\n---\nlicense: mit\n", ""),
        ("# Model\nlicense: mit\n", ""),
        ("", ""),
    ],
)
def test_the_licence_is_in_the_readme(tmp_path, text, licence):
    (tmp_path / "README.md").write_text(text, newline="")
    assert licence_of(tmp_path) == licence
