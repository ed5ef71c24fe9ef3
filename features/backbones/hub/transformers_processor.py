"""Image processors of transformers, as ``preprocessor_config.json`` describes them.

Each type has its own order of steps and its own defaults, which its documentation names. Those that
changed from version to version (the filter, the size) have to be in the file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...images.resize import ResizeRule
from ..registry import scaling_of
from .fields import Fields, PublishedPixels

_WARP_FROM_PX = 384
"""ConvNeXt crops below this size, and warps from it on."""

_NO_OVERSHOOT = ("nearest", "box", "bilinear", "hamming")

# They are about files, arrays and classes; or are read only where what they belong to is done.
_WITHOUT_EFFECT = (
    "_processor_class",
    "_valid_processor_keys",
    "crop_size",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "do_reduce_labels",
    "feature_extractor_type",
    "image_mean",
    "image_processor_type",
    "image_seq_length",
    "image_std",
    "input_data_format",
    "model_input_names",
    "processor_class",
    "rescale_factor",
    "return_tensors",
    "transformers_version",
    "valid_processor_keys",
)


class _Type(NamedTuple):
    """What a type of processors does where its file does not say."""

    one_number: str
    """What a size of one number is: the ``square`` or the ``shorter`` side."""
    crops: bool | None = False
    """Whether it crops; None: versions differ."""
    normalises: bool | None = True
    """None: it cannot."""
    scaled: str = "plain"
    """How a shorter side is meant: ``plain``, or as in the type of this name."""
    rescales_first: bool = False
    flips: bool | None = None
    """Whether channels become BGR; None: it cannot."""
    with_offset: bool = False
    """Whether it has ``rescale_offset`` and ``include_top``."""


_TYPES = {
    "Beit": _Type("square", crops=None),
    "Bit": _Type("shorter", crops=True),
    "Blip": _Type("square"),
    "CLIP": _Type("shorter", crops=True),
    "ChineseCLIP": _Type("shorter", crops=True),
    "ConvNext": _Type("shorter", scaled="ConvNext"),
    "DINOv3ViT": _Type("square", rescales_first=True),
    "DeiT": _Type("square", crops=True),
    "EfficientNet": _Type("square", with_offset=True),
    "Levit": _Type("shorter", crops=True, scaled="Levit"),
    "MobileNetV1": _Type("shorter", crops=True),
    "MobileNetV2": _Type("shorter", crops=True),
    "MobileViT": _Type("shorter", crops=True, normalises=None, flips=True),
    "PoolFormer": _Type("shorter", crops=True, scaled="PoolFormer"),
    "Pvt": _Type("square"),
    "Siglip": _Type("square"),
    "Tipsv2": _Type("square", normalises=False),
    "ViT": _Type("square"),
}


def read_processor(fields: Fields) -> PublishedPixels:
    """How a processor of transformers makes pixels.

    Raises
    ------
    EngineError
        When its type, or a field, is not understood; it is named.
    """
    kind = _type_of(fields)
    rule = _rule(fields, kind)
    factor = 1.0
    if fields.flag("do_rescale", default=True):
        factor = fields.number("rescale_factor", 1 / 255)
    means, deviations = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if kind.normalises is None:
        if fields.has("do_normalize") and fields.flag("do_normalize", default=False):
            fields.refuse("do_normalize", "processors of this type do not normalise")
    elif fields.flag("do_normalize", kind.normalises):
        means, deviations = fields.three("image_mean"), fields.deviations("image_std")
    if kind.with_offset:
        if fields.flag("rescale_offset", default=False):
            means = (means[0] + 1, means[1] + 1, means[2] + 1)
        if fields.flag("include_top", default=True):  # divides by the deviation again
            again = fields.deviations("image_std")
            deviations = tuple(by * twice for by, twice in zip(deviations, again, strict=True))
    channels = "RGB"
    if kind.flips is not None and fields.flag("do_flip_channel_order", kind.flips):
        channels = "BGR"
    _refuse_code(fields)
    fields.finish(_WITHOUT_EFFECT)
    return PublishedPixels(rule, scaling_of(means, deviations, channels, factor))


def _type_of(fields: Fields) -> _Type:
    key = "image_processor_type"
    if not fields.has(key) and fields.has("feature_extractor_type"):
        key = "feature_extractor_type"
    name = fields.value(key)
    stem = re.sub(r"(ImageProcessor(Fast|Pil)?|FeatureExtractor)$", "", str(name))
    if not isinstance(name, str) or stem == name or stem not in _TYPES:
        known = ", ".join(f"{known}ImageProcessor" for known in _TYPES)
        fields.refuse(key, f"expected one of {known}; received {name!r}")
    return _TYPES[stem]


def _rule(fields: Fields, kind: _Type) -> ResizeRule:
    if not fields.flag("do_resize", default=True):
        fields.refuse("do_resize", "without scaling, each picture has an input of its own size")
    resample = fields.pillow_filter("resample")
    if kind.rescales_first and resample not in _NO_OVERSHOOT:
        fields.refuse(
            "resample",
            f"{resample} goes beyond black and white, and processors of this type rescale before "
            f"they resize, so that it is kept; 8 bits cannot keep it",
        )
    side, px = _size(fields, kind)
    if kind.scaled == "ConvNext":
        return _convnext_rule(fields, resample, side, px)
    if kind.scaled == "Levit" and side == "shorter side":
        px = fields.scaled_px("size", int((256 / 224) * px))
    elif kind.scaled == "PoolFormer":
        side = "shorter side"
        px = fields.scaled_px("crop_pct", int(px / fields.number("crop_pct", 0.9)))
    crop_px = None
    if fields.flag("do_center_crop", kind.crops):
        crop_px = fields.square("crop_size")
    elif side == "shorter side":
        fields.refuse("do_center_crop", "without it, inputs are not square")
    return ResizeRule(resample, side, px, crop_px)


def _convnext_rule(fields: Fields, resample: str, side: str, px: int) -> ResizeRule:
    if side != "shorter side":
        fields.refuse("size", "expected shortest_edge")
    if fields.flag("do_center_crop", default=False):
        fields.refuse("do_center_crop", "versions of transformers differ in what it does here")
    crop_pct = fields.number("crop_pct", 224 / 256)
    if px < _WARP_FROM_PX:
        scaled_px = fields.scaled_px("crop_pct", int(px / crop_pct))
        return ResizeRule(resample, "shorter side", scaled_px, px)
    return ResizeRule(resample, "both sides", px)


def _size(fields: Fields, kind: _Type) -> tuple[str, int]:
    """Which side is scaled to what."""
    value = fields.value("size")
    if isinstance(value, dict) and "shortest_edge" in value:
        size = fields.section("size")
        px = size.px("shortest_edge")
        size.finish(())
        return "shorter side", px
    px = fields.square("size")
    if isinstance(value, int):
        if fields.flag("default_to_square", kind.one_number == "square"):
            return "both sides", px
        return "shorter side", px
    return "both sides", px


def _refuse_code(fields: Fields) -> None:
    """A processor that comes as code of its repository may do anything; others are named there."""
    named = fields.value("auto_map")
    if isinstance(named, dict) and not named.keys() & {
        "AutoImageProcessor",
        "AutoFeatureExtractor",
    }:
        return
    if named is not None:
        fields.refuse("auto_map", "pixels are made by code of the repository, which is not run")
