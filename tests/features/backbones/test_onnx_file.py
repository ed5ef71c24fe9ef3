"""Networks in ONNX files: layers, poolings and pixels, against ONNX's own reference evaluator."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from bottlebank.errors import EngineError, UsageError
from bottlebank.features import recipe_for
from bottlebank.features.backbones import described, onnx_file, onnx_process
from bottlebank.features.backbones.described import hint_at
from bottlebank.features.backbones.registry import SCALINGS
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.engines.openvino import OpenVinoEngine, convert
from bottlebank.features.find_again import spec_at
from bottlebank.untrusted.isolation import FailedError, Message, isolated_reader

from .onnx_networks import SIZE_PX, WIDTH, cnn, patches, save, vit

PIXELS = np.random.default_rng(1).integers(0, 256, (5, SIZE_PX, SIZE_PX, 3), np.uint8)


def opened(path, **chosen):
    chosen.setdefault("scaling", "torch")
    return onnx_file.open_file(path, ExtractorSpec.of(str(path), **chosen))


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Files are read in this process, which is faster; the last test reads one in another."""
    monkeypatch.setattr(described, "isolated_reader", reader)


@contextlib.contextmanager
def reader(module, function, *arguments, more_bytes):
    sent = []

    def send(about, *parts, next_s=0.0):
        sent.append(Message(json.loads(json.dumps(about)), list(parts)))

    try:
        getattr(onnx_process, function)(send, *arguments)
    except (ValueError, OSError) as error:
        raise FailedError(str(error)) from error
    yield sent


def features(path, folder, *, by_openvino=False, **chosen):
    """What ONNX's evaluator makes of the pixels in the rewritten network, and OpenVINO too."""
    backbone, weights = opened(path, **chosen)
    folder.mkdir(exist_ok=True)
    onnx_file.write_onnx(backbone, weights, folder)
    written = onnx.load(folder / "network.onnx")
    onnx.checker.check_model(written, full_check=True)
    n_each = written.graph.input[0].type.tensor_type.shape.dim[0].dim_value or len(PIXELS)
    run = ReferenceEvaluator(written)
    name = written.graph.input[0].name
    parts = [
        run.run(None, {name: PIXELS[at : at + n_each]})[0] for at in range(0, len(PIXELS), n_each)
    ]
    result = np.concatenate(parts)
    assert result.dtype == np.float32
    assert result.shape == (len(PIXELS), backbone.width)
    if by_openvino:
        convert(folder / "network.onnx", folder)
        made = OpenVinoEngine(folder, "float32", many=True)(PIXELS)
        np.testing.assert_allclose(made, result, rtol=2e-3, atol=2e-3)
    return result


def original(model, *names, scaling="torch", channels_last=False, one_by_one=False):
    """What the model itself makes of the pixels, scaled here."""
    of = SCALINGS[scaling]
    values = PIXELS[..., ::-1] if of.channels == "BGR" else PIXELS
    values = (values * np.array(of.scale) + np.array(of.offset)).astype(np.float32)
    values = values if channels_last else values.transpose(0, 3, 1, 2)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    if model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16:
        values = values.astype(np.float16)
    parts = np.split(values, len(values)) if one_by_one else [values]
    run = ReferenceEvaluator(copy)
    results = [run.run(None, {"pixel_values": part}) for part in parts]
    return [np.concatenate(each).astype(np.float32) for each in zip(*results, strict=True)]


@pytest.mark.parametrize("scaling", ["tf", "torch", "caffe", "none"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_pixels_reach_the_network_scaled_and_in_its_order(tmp_path, scaling, channels_last):
    model = cnn(channels_last=channels_last)
    path = save(model, tmp_path / "net.onnx")
    [expected] = original(model, "features", scaling=scaling, channels_last=channels_last)
    made = features(path, tmp_path / "out", scaling=scaling, by_openvino=scaling == "caffe")
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)


def test_a_transformer_gives_its_class_token_by_itself(tmp_path):
    model = vit()
    path = save(model, tmp_path / "vit.onnx")
    [tokens] = original(model, "last_hidden_state")
    assert opened(path)[0].pooling == "CLS token"
    made = features(path, tmp_path / "o", by_openvino=True)
    np.testing.assert_allclose(made, tokens[:, 0], rtol=1e-3, atol=1e-4)


def test_a_transformer_gives_the_mean_of_its_tokens_where_that_is_chosen(tmp_path):
    model = vit()
    path = save(model, tmp_path / "vit.onnx")
    [tokens] = original(model, "last_hidden_state")
    made = features(path, tmp_path / "o", pooling="mean")
    np.testing.assert_allclose(made, tokens.mean(1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size_px", [224, 256, 384])
@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("width", [384, 1024])
def test_a_class_token_is_found_where_patches_do_not_fill_the_picture(
    tmp_path, size_px, is_open, width
):
    model = patches(width, size_px="px" if is_open else size_px)
    path = save(model, tmp_path / "net.onnx")
    backbone = opened(path, size=size_px)[0]
    assert (backbone.width, backbone.pooling) == (width, "CLS token")


@pytest.mark.parametrize("is_transposed", [True, False])
def test_where_the_size_is_open_two_sizes_say_which_axis_is_which(tmp_path, is_transposed):
    """At 1024 px there are 64 x 64 patches of 16 px, and 4096 numbers of each, too."""
    model = patches(4096, patch_px=16, n_more=0, is_transposed=is_transposed)
    path = save(model, tmp_path / "net.onnx")
    assert opened(path, size=512)[0].width == 4096
    backbone, weights = opened(path, size=1024)
    assert (backbone.width, backbone.pooling) == (4096, "mean over tokens")
    onnx_file.write_onnx(backbone, weights, tmp_path)
    written = onnx.load(tmp_path / "network.onnx")
    [pooling] = [node for node in written.graph.node if node.op_type == "ReduceMean"]
    assert list(pooling.attribute[0].ints) == [2 if is_transposed else 1]


def test_a_class_token_that_is_in_doubt_is_asked_for(tmp_path):
    """There are 256 patches: the others may be registers alone."""
    path = save(patches(64, n_more=4, size_px=224), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"makes \(260, 64\) of one image.*--pooling cls.*mean"):
        opened(path)
    chosen = {each: opened(path, pooling=each)[0].pooling for each in ("cls", "mean")}
    assert chosen == {"cls": "CLS token", "mean": "mean over tokens"}
    listed = onnx_file.layers(path, ExtractorSpec.of(str(path))).layers
    assert listed[-1].pooling == "cls or mean, by --pooling"


def test_the_output_that_is_pooled_already_is_preferred(tmp_path):
    path = save(vit(outputs=("last_hidden_state", "pooler_output")), tmp_path / "vit.onnx")
    backbone, _ = opened(path)
    assert (backbone.layers, backbone.pooling) == (("pooler_output",), "none")


def test_several_layers_are_side_by_side(tmp_path):
    model = vit()
    path = save(model, tmp_path / "vit.onnx")
    names = ["/blocks.0/output", "patches", "pooler_output"]
    first, patches, pooled = original(model, *names)
    backbone, _ = opened(path, layer=names)
    assert backbone.pooling == "CLS token, mean over height and width, none"
    expected = np.concatenate([first[:, 0], patches.mean((2, 3)), pooled], 1)
    made = features(path, tmp_path / "o", layer=names, by_openvino=True)
    np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-4)


def test_a_recipe_of_several_layers_finds_its_settings_again(tmp_path):
    path = save(vit(), tmp_path / "vit.onnx")
    names = ["/blocks.0/output", "patches", "pooler_output"]
    for chosen in ({}, {"pooling": "mean"}, {"pooling": "cls"}):
        spec = ExtractorSpec.of(str(path), layer=names, scaling="torch", **chosen)
        recipe, _ = recipe_for(spec)
        again = spec_at(recipe, path)
        assert recipe_for(again)[0] == recipe


def test_a_layer_may_be_named_by_its_node(tmp_path):
    path = save(vit(), tmp_path / "vit.onnx")
    assert opened(path, layer="patches_node")[0].layers == ("patches",)


def test_a_network_for_one_image_runs_image_by_image(tmp_path):
    model = cnn(batch=1, classes=7)
    path = save(model, tmp_path / "one.onnx")
    [expected] = original(model, "flat_values", one_by_one=True)
    made = features(path, tmp_path / "o", by_openvino=True)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)
    written = onnx.load(tmp_path / "o" / "network.onnx")
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_a_network_that_only_says_one_image_takes_many(tmp_path):
    model = cnn(batch="n")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    path = save(model, tmp_path / "one.onnx")
    [expected] = original(model, "features")
    made = features(path, tmp_path / "o")
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)
    written = onnx.load(tmp_path / "o" / "network.onnx")
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_a_network_in_16_bits_gives_features_in_32(tmp_path):
    model = cnn(dtype=np.float16)
    path = save(model, tmp_path / "half.onnx")
    [expected] = original(model, "features")
    made = features(path, tmp_path / "o", by_openvino=True)
    np.testing.assert_allclose(made, expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("opset", [11, 18])
def test_operators_of_other_versions(tmp_path, opset):
    model = cnn(opset=opset)
    path = save(model, tmp_path / "net.onnx")
    [expected] = original(model, "relu1")
    made = features(path, tmp_path / "o", layer="relu1", by_openvino=opset == 11)
    np.testing.assert_allclose(made, expected.mean((2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_a_version_that_is_named_twice_is_that_version(tmp_path, domain):
    model = cnn(opset=17)
    path = save(model, tmp_path / "once.onnx")
    expected = features(path, tmp_path / "a")
    model.opset_import.append(onnx.helper.make_opsetid(domain, 17))
    twice = save(model, tmp_path / "twice.onnx")
    np.testing.assert_array_equal(features(twice, tmp_path / "b"), expected)


@pytest.mark.parametrize(
    ("settings", "layer"),
    [
        ({"classes": 5}, "flat_values"),
        ({"classes": 5, "output": "logits", "has_bias": False}, "flat_values"),
        ({"classes": 5, "output": "probabilities", "has_bias": False}, "flat_values"),
        ({"classes": 1000, "has_bias": False}, "flat_values"),
        ({"classes": 512, "has_bias": False, "output": "embedding"}, "embedding"),
    ],
)
def test_of_a_classifier_the_layer_before_the_classes_is_taken(tmp_path, settings, layer):
    path = save(cnn(**settings), tmp_path / "net.onnx")
    assert opened(path)[0].layers == (layer,)
    listed = onnx_file.layers(path, ExtractorSpec.of(str(path))).layers
    assert [each.name for each in listed if each.is_taken] == [layer]


def test_layers_are_listed_with_their_shapes(tmp_path):
    path = save(cnn(classes=5), tmp_path / "net.onnx")
    listed = onnx_file.layers(path, ExtractorSpec.of(str(path))).layers
    half, quarter = SIZE_PX // 2, SIZE_PX // 4
    assert [(each.name, each.kind, each.shape, each.pooling) for each in listed][:4] == [
        ("conv0", "Conv", (8, half, half), "mean over height and width"),
        ("relu0", "Relu", (8, half, half), "mean over height and width"),
        ("conv1", "Conv", (WIDTH, quarter, quarter), "mean over height and width"),
        ("relu1", "Relu", (WIDTH, quarter, quarter), "mean over height and width"),
    ]


def test_weights_may_lie_beside_the_file(tmp_path):
    model = vit()
    path = save(model, tmp_path / "plain.onnx")
    expected = features(path, tmp_path / "a")
    beside = save(model, tmp_path / "vit.onnx", external=True)
    _, weights = opened(beside)
    assert weights.more == (tmp_path / "vit.onnx_data",)
    np.testing.assert_array_equal(features(beside, tmp_path / "b"), expected)


def test_the_hubs_cache_of_links_is_read(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1f2e" / "onnx"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    save(vit(), tmp_path / "model.onnx", external=True)
    for name in ("model.onnx", "model.onnx_data"):
        (tmp_path / name).rename(blobs / name[::-1])
        (snapshot / name).symlink_to(f"../../../blobs/{name[::-1]}")
    assert opened(snapshot / "model.onnx")[1].more == (snapshot / "model.onnx_data",)


def fingerprint(path, **chosen):
    chosen.setdefault("scaling", "torch")
    return recipe_for(ExtractorSpec.of(str(path), **chosen))[0].fingerprint


@pytest.mark.parametrize("external", [False, True])
def test_a_name_changes_no_fingerprint_and_a_bit_does(tmp_path, external):
    path = save(vit(), tmp_path / "vit.onnx", external=external)
    before = fingerprint(path)
    renamed = path.with_name("other.onnx")
    path.rename(renamed)
    assert fingerprint(renamed) == before
    held = tmp_path / "vit.onnx_data" if external else renamed
    data = bytearray(held.read_bytes())
    data[len(data) // 2] ^= 1
    held.write_bytes(data)
    assert fingerprint(renamed) != before


def test_layers_pooling_and_scaling_change_the_fingerprint(tmp_path):
    path = save(vit(), tmp_path / "vit.onnx")
    chosen = [{}, {"pooling": "mean"}, {"scaling": "tf"}, {"layer": "/blocks.0/output"}]
    assert len({fingerprint(path, **each) for each in chosen}) == len(chosen)
    assert fingerprint(path, layer="last_hidden_state", pooling="cls") == fingerprint(path)


def test_a_network_for_any_size_needs_one(tmp_path):
    path = save(cnn(size_px="px"), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"net\.onnx takes pictures of any size: .*--size 224"):
        opened(path)
    assert opened(path, size=SIZE_PX)[0].input_size_px == SIZE_PX


@pytest.mark.parametrize("n", ["n", 0, -1, 1])
@pytest.mark.parametrize("px", ["px", 0, -1])
def test_axes_are_open_in_every_way_of_exporters(tmp_path, n, px):
    model = cnn()
    shape = [n, 3, px, px]
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("pixel_values", 1, shape))
    path = save(model, tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="takes pictures of any size"):
        opened(path)
    assert opened(path, size=SIZE_PX)[0].input_size_px == SIZE_PX
    [expected] = original(model, "features")
    made = features(path, tmp_path / "o", size=SIZE_PX, by_openvino=(n, px) == (0, -1))
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [0, -1])
def test_a_number_of_images_may_be_open_by_itself(tmp_path, n):
    model = cnn()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = n
    assert opened(save(model, tmp_path / "net.onnx"))[0].input_size_px == SIZE_PX


def test_a_network_for_one_size_takes_no_other(tmp_path):
    path = save(cnn(), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="takes pictures of 32 px, not of 64: leave --size out"):
        opened(path, size=64)


def test_scaling_is_never_guessed(tmp_path):
    path = save(cnn(), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"does not say how pixels .*--scaling, such as torch"):
        opened(path, scaling=None)


@pytest.mark.parametrize(
    ("said", "layout", "name"),
    [
        ("NominalRange_0_255", "Bgr8", "none"),
        ("Normalized_1_1", "Rgb8", "tf"),
    ],
)
def test_scaling_is_taken_from_the_standards_metadata(tmp_path, said, layout, name):
    model = cnn()
    entries = {"Image.NominalPixelRange": said, "Image.BitmapPixelFormat": layout}
    onnx.helper.set_model_props(model, entries)
    path = save(model, tmp_path / "net.onnx")
    scaling = opened(path, scaling=None)[0].scaling
    assert opened(path, scaling=scaling.in_words())[0].scaling == scaling
    with pytest.raises(UsageError, match="says how pixels become its input: leave --scaling out"):
        opened(path, scaling="torch")
    assert scaling.scale == SCALINGS[name].scale
    assert scaling.channels == layout[:3].upper()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layer": "last_hidden"}, "has no layer 'last_hidden' .*did you mean last_hidden_state"),
        ({"layer": "pooler_output", "pooling": "mean"}, "one vector for each image; --pooling"),
        (
            {"layer": "patches", "pooling": "cls"},
            "patches is a map without a class token",
        ),
        ({"weights": "w.h5"}, "the weights of vit.onnx are in it"),
        ({"scaling": "best"}, "unknown scaling 'best'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, chosen, message):
    path = save(vit(), tmp_path / "vit.onnx")
    with pytest.raises(UsageError, match=message):
        opened(path, **chosen)


def test_of_a_few_layers_all_are_named_where_none_is_near():
    assert hint_at("c3", ["c0", "c1", "c2"]) == "it has c0, c1, c2; "
    assert hint_at("x", [f"c{number}" for number in range(30)]) == ""
    assert hint_at("node_o", ["c0"], ["node_0"]) == "did you mean node_0? "


def test_the_scores_of_a_transformers_heads_are_a_map_as_any_other(tmp_path):
    path = save(vit(), tmp_path / "vit.onnx")
    backbone, _ = opened(path, layer="/blocks.0/scores")
    assert (backbone.width, backbone.pooling) == (2, "mean over height and width")


def test_data_that_is_missing_is_named(tmp_path):
    path = save(vit(), tmp_path / "vit.onnx", external=True)
    (tmp_path / "vit.onnx_data").unlink()
    with pytest.raises(EngineError, match="its data is missing: 'vit.onnx_data'"):
        opened(path)


def test_an_own_network_that_was_written_here_can_be_an_extractor(tmp_path):
    path = save(cnn(), tmp_path / "net.onnx")
    expected = features(path, tmp_path / "a")
    again = shutil.copy(tmp_path / "a" / "network.onnx", tmp_path / "again.onnx")
    made = features(tmp_path / again, tmp_path / "b", scaling=None)
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


PUBLISHED = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="this onnx comes without its test data")
@pytest.mark.parametrize(
    ("name", "width", "pooling"),
    [
        ("densenet121", 1024, "mean over height and width"),
        ("inception_v1", 1024, "none"),
        ("resnet50", 2048, "none"),
        ("squeezenet", 512, "mean over height and width"),
        ("vgg19", 4096, "none"),
    ],
)
def test_of_published_classifiers_the_usual_features_are_taken(name, width, pooling):
    backbone, _ = opened(PUBLISHED / f"light_{name}.onnx")
    assert (backbone.width, backbone.pooling, backbone.input_size_px) == (width, pooling, 224)


def test_another_process_reads_and_writes_the_same(tmp_path, monkeypatch):
    path = save(vit(), tmp_path / "vit.onnx", external=True)
    found = []
    for number, read in enumerate((reader, isolated_reader)):
        monkeypatch.setattr(described, "isolated_reader", read)
        folder = tmp_path / str(number)
        folder.mkdir()
        backbone, weights = opened(path, layer=["patches", "/blocks.0/output"])
        onnx_file.write_onnx(backbone, weights, folder)
        listed = onnx_file.layers(path, ExtractorSpec.of(str(path))).layers
        found.append((backbone, weights, listed, (folder / "network.onnx").read_bytes()))
    assert found[0] == found[1]
