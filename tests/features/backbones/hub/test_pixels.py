"""The pixels of published networks, against each library's own rule, with a picture that tells."""

import copy
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import EngineError, UsageError
from bottlebank.features.backbones.hub.pixels import chosen_rule, read_pixels
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.images.fit import Preprocessing, decode_and_resize

from .published import FAMILIES


def photograph(width: int, height: int) -> Image.Image:
    """Smooth colours, sharp edges and grain, and no symmetry."""
    down, across = np.mgrid[:height, :width]
    waves = [
        np.sin(down / 11 + colour) * np.cos(across / (7 + 3 * colour)) + down / height
        for colour in range(3)
    ]
    values = 110 + 60 * np.stack(waves, 2)
    values[height // 5 : height // 2, width // 7 : width // 3] = (255, 0, 30)
    grain = np.random.default_rng(5).normal(0, 6, values.shape)
    return Image.fromarray((values + grain).clip(0, 255).astype(np.uint8))


def written(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, described in files.items():
        (folder / name).write_text(json.dumps(described))
    return folder


def input_of(folder, image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """What reaches the network, and by how much a step of 8 bits changes it."""
    pixels = read_pixels(folder)
    side = pixels.rule.output_px
    how = Preprocessing((side, side), pixels.rule.fit, resize=str(pixels.rule))
    how.require_known()
    file = io.BytesIO()
    image.save(file, "PNG")
    decoded = decode_and_resize(file.getvalue(), how).pixels.astype(np.float64)
    if pixels.scaling.channels == "BGR":
        decoded = decoded[..., ::-1]
    scale, offset = np.array(pixels.scaling.scale), np.array(pixels.scaling.offset)
    return (decoded * scale + offset).transpose(2, 0, 1), scale[:, None, None]


@pytest.mark.parametrize("size", [(437, 301), (150, 197)])
@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_are_those_of_the_familys_rule(tmp_path, family, size):
    published = FAMILIES[family]
    folder = written(tmp_path, published.files)
    image = photograph(*size)
    values, step = input_of(folder, image)
    expected = published.rule(image)
    assert values.shape == expected.shape == (3, published.size_px, published.size_px)
    off = np.abs(values - expected) / step  # in steps of 1/255
    # DINOv3 scales in floating point; 8 bits are rounded once across and once down.
    assert off.max() <= (1 if family == "dinov3" else 1e-6)


def test_two_families_that_differ_in_one_word_differ_in_pixels(tmp_path):
    image = photograph(437, 301)
    inputs = {
        family: input_of(written(tmp_path / family, published.files), image)[0]
        for family, published in FAMILIES.items()
        if family.startswith(("timm", "open_clip"))
    }
    for mode in ("squash", "border"):
        assert np.abs(inputs["timm center"] - inputs[f"timm {mode}"]).max() > 1
    for mode in ("squash", "longest"):
        assert np.abs(inputs["open_clip shortest"] - inputs[f"open_clip {mode}"]).max() > 1


def changed(family: str, **changes):
    """The files of a family, with fields of its pixels changed or, where None, taken out."""
    files = copy.deepcopy(FAMILIES[family].files)
    for described in files.values():
        for nested in ("image_processor", "pretrained_cfg", "preprocess_cfg"):
            described = described.get(nested, described)
        for key, value in changes.items():
            described.pop(key, None)
            if value is not None:
                described[key] = value
    return files


NAN = math.nan
OFF = {"height": 224, "width": 192}


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("dinov2", {"image_processor_type": "SamImageProcessor"}, "image_processor_type: expected"),
        ("dinov2", {"image_processor_type": "Bit"}, "image_processor_type: expected one of"),
        ("dinov2", {"image_processor_type": None}, "image_processor_type: expected one of"),
        ("dinov2", {"image_processor_type": ["x"]}, "image_processor_type: expected one of"),
        (
            "dinov2",
            {"auto_map": {"AutoImageProcessor": "x.Y"}},
            "auto_map: pixels are made by code",
        ),
        ("dinov2", {"do_pad": True}, "do_pad: True is not understood, and may change the pixels"),
        ("dinov2", {"antialias": False}, "antialias: False is not understood"),
        ("dinov2", {"do_resize": False}, "do_resize: without scaling"),
        ("dinov2", {"do_center_crop": False}, "do_center_crop: without it, inputs are not square"),
        ("dinov2", {"crop_size": OFF}, "crop_size: 224x192; only square inputs"),
        ("dinov2", {"crop_size": None}, "crop_size: expected 1 to 16384 pixels, received null"),
        ("dinov2", {"crop_size": True}, "crop_size: expected 1 to 16384 pixels, received True"),
        ("dinov2", {"crop_size": 1 << 40}, "crop_size: expected 1 to 16384 pixels"),
        (
            "dinov2",
            {"size": {"shortest_edge": 256, "longest_edge": 512}},
            "longest_edge: 512 is not",
        ),
        ("dinov2", {"size": {"max_height": 2, "max_width": 2}}, "size: expected 1 to 16384 pixels"),
        ("dinov2", {"resample": None}, "resample: expected a filter of Pillow: 0 .nearest."),
        ("dinov2", {"resample": 6}, "resample: expected a filter of Pillow: .*received 6"),
        ("dinov2", {"image_mean": None}, "image_mean: expected three numbers, received null"),
        ("dinov2", {"image_mean": [0.5, 0.5]}, "image_mean: expected three numbers"),
        ("dinov2", {"image_std": [0.5, 0, 0.5]}, "image_std: expected three numbers above 0"),
        ("dinov2", {"rescale_factor": -1}, "rescale_factor: expected a number above 0"),
        ("dinov2", {"rescale_offset": True}, "rescale_offset: True is not understood"),
        ("dinov2", {"do_flip_channel_order": True}, "do_flip_channel_order: True is not"),
        ("dinov2", {"do_normalize": "yes"}, "do_normalize: expected true or false, received 'yes'"),
        ("convnext below 384", {"do_center_crop": True}, "do_center_crop: versions"),
        ("convnext below 384", {"size": {"height": 9, "width": 9}}, "size: expected shortest_edge"),
        ("convnext below 384", {"crop_pct": 0}, "crop_pct: expected a number above 0"),
        ("dinov3", {"resample": 3}, "resample: bicubic goes beyond black and white"),
        ("mobilevit", {"do_normalize": True}, "do_normalize: processors of this type do not"),
        ("siglip", {"size": OFF}, "size: 224x192; only square inputs"),
        ("tipsv2", {"do_tile": True}, "image_processor: do_tile: True is not understood"),
        ("timm center", {"crop_mode": "wide"}, "crop_mode: expected center or squash or border"),
        ("timm center", {"interpolation": "random"}, "interpolation: expected nearest or"),
        ("timm center", {"input_size": [1, 28, 28]}, "input_size: expected .3, height, width."),
        ("timm center", {"input_size": [3, 224, 192]}, "input_size: 224x192; only square"),
        ("timm center", {"crop_border_pixels": 4}, "pretrained_cfg: crop_border_pixels: 4 is not"),
        ("open_clip squash", {"resize_mode": "wide"}, "resize_mode: expected shortest or longest"),
        ("open_clip squash", {"mode": "L"}, "mode: expected RGB, received 'L'"),
        ("open_clip squash", {"gamma": 2.2}, "preprocess_cfg: gamma: 2.2 is not understood"),
        ("open_clip squash", {"fill_color": 300}, "fill_color: expected 0 to 255"),
        ("open_clip squash", {"fill_color": True}, "fill_color: expected 0 to 255, received True"),
        ("open_clip squash", {"fill_color": NAN}, "fill_color: expected 0 to 255, received NaN"),
        ("dinov2", {"rescale_factor": NAN}, "rescale_factor: expected a number.*received NaN"),
        ("dinov2", {"do_normalize": NAN}, "do_normalize: expected true or false, received NaN"),
        ("dinov2", {"do_resize": NAN}, "do_resize: expected true or false, received NaN"),
        ("dinov2", {"image_mean": -math.inf}, "image_mean: expected three.*received -Infinity"),
        ("dinov2", {"image_std": [0.5, NAN, 0.5]}, "image_std: expected three.*NaN"),
        ("dinov2", {"size": 224, "default_to_square": NAN}, "default_to_square: expected true"),
        ("dinov2", {"do_pad": NAN}, "do_pad: NaN is not understood"),
        ("timm center", {"crop_pct": NAN}, "crop_pct: expected a number above 0, received NaN"),
        ("timm center", {"crop_pct": 0.01}, "crop_pct: 0.01 would scale pictures to 22400 px"),
        ("timm center", {"crop_pct": 1e6}, "crop_pct: 1000000.0 would scale pictures to 0 px"),
        ("convnext below 384", {"crop_pct": 0.01}, "crop_pct: 0.01 would scale pictures to"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, family, changes, message):
    folder = written(tmp_path, changed(family, **changes))
    with pytest.raises(EngineError, match=message):
        read_pixels(folder)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("dinov2", {"do_pad": False, "pad_size": None, "processor_class": "X"}),
        ("dinov2", {"auto_map": {"AutoProcessor": "x.Y"}}),
        ("dinov2", {"image_processor_type": "BitImageProcessorFast"}),
        (
            "dinov2",
            {"image_processor_type": None, "feature_extractor_type": "CLIPFeatureExtractor"},
        ),
        ("dinov2", {"size": 256, "crop_size": 224, "do_rescale": None, "rescale_factor": None}),
        ("siglip", {"image_mean": 0.5, "image_std": 0.5}),
        ("siglip", {"size": [224, 224], "crop_size": {"height": 1, "width": 2}}),
        ("siglip", {"image_processor_type": "ViTImageProcessor", "size": 224}),
        ("timm center", {"crop_mode": None, "mean": None, "std": None, "interpolation": None}),
        ("open_clip shortest", {"mean": None, "std": None, "interpolation": "random", "size": 7}),
    ],
)
def test_what_changes_no_pixel_is_not_refused(tmp_path, family, changes):
    folder = written(tmp_path, changed(family, **changes))
    assert read_pixels(folder) == read_pixels(
        written(tmp_path / "as it is", FAMILIES[family].files)
    )


def test_older_and_nested_files_count_in_the_order_of_their_libraries(tmp_path):
    dinov2, tipsv2 = FAMILIES["dinov2"].files, FAMILIES["tipsv2"].files
    assert read_pixels(written(tmp_path / "both", dinov2 | tipsv2)).rule.output_px == 448
    texts = {"processor_config.json": {"processor_class": "CLIPProcessor"}}
    assert read_pixels(written(tmp_path / "texts", dinov2 | texts)).rule.output_px == 224
    of_transformers = {"config.json": {"model_type": "dinov2", "image_size": 518}}
    assert read_pixels(written(tmp_path / "model", dinov2 | of_transformers)).rule.px == 256
    with pytest.raises(EngineError, match=r"does not say how pixels are made: expected processor_"):
        read_pixels(written(tmp_path / "none", of_transformers))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "expected a JSON object, got list"),
        ('{"size": 1, "size": 2}', "field 'size' is there twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 20 + "1" + "}" * 20, "nested too deeply"),
        (" " * (1 << 24) + "{}", "more than 16,777,216 bytes"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text, reason):
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(EngineError, match=rf"preprocessor_config.json cannot be read: .*{reason}"):
        read_pixels(tmp_path)


@pytest.mark.parametrize("missing", ["preprocessor_config.json", "processor_config.json"])
def test_a_link_to_nothing_is_no_reason_to_read_another_file(tmp_path, missing):
    folder = written(tmp_path, FAMILIES["timm center"].files)
    (folder / missing).symlink_to("elsewhere")
    with pytest.raises(EngineError, match=rf"{missing} cannot be read: No such file"):
        read_pixels(folder)


def test_a_size_beyond_what_can_be_scaled_is_refused(tmp_path):
    files = changed("timm center", crop_pct=0.02)
    pixels = read_pixels(written(tmp_path, files))
    with pytest.raises(UsageError, match="--size 4096 would scale pictures to 204800 px"):
        chosen_rule(pixels.rule, ExtractorSpec(size_px=4096))


def test_size_and_fit_can_be_chosen(tmp_path):
    rule = read_pixels(written(tmp_path, FAMILIES["dinov2"].files)).rule
    of = ExtractorSpec("folder")
    assert chosen_rule(rule, of._replace(fit="crop", size_px=224)) == rule
    assert chosen_rule(rule, of._replace(size_px=518)) == rule._replace(px=592, crop_px=518)
    squashed = chosen_rule(rule, of._replace(fit="squash"))
    assert str(squashed) == "Pillow bicubic, both sides to 224, warped"
    padded = chosen_rule(rule, of._replace(fit="pad", size_px=64))
    assert (padded.side, padded.px, padded.fill) == ("longer side", 64, (128, 128, 128))
    assert chosen_rule(padded, of._replace(fit="pad", size_px=64)) == padded
