"""Networks of open_clip: ``open_clip_config.json``."""

from __future__ import annotations

from ...images.resize import ResizeRule
from ..registry import scaling_of
from .fields import Fields, PublishedPixels

_OPENAI = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def read_open_clip_config(config: Fields) -> PublishedPixels:
    """How open_clip makes pixels for evaluation: its ``image_transform_v2``.

    Parameters
    ----------
    config
        The file; ``preprocess_cfg`` counts, and the network's own ``image_size``.

    Raises
    ------
    EngineError
        When a field is not understood; it is named.
    """
    px = _input_px(config)
    fields = (
        config.section("preprocess_cfg")
        if config.has("preprocess_cfg")
        else Fields({}, config.where)
    )
    fields.word("mode", ("RGB",), "RGB")
    means, deviations = fields.three("mean", _OPENAI[0]), fields.deviations("std", _OPENAI[1])
    resample = fields.word("interpolation", ("bicubic", "bilinear", "random"), "bicubic")
    if resample == "random":  # of training; for evaluation, open_clip takes bicubic
        resample = "bicubic"
    grey = 0 if (given := fields.value("fill_color")) is None else given
    if isinstance(grey, bool) or not isinstance(grey, int) or not 0 <= grey <= 255:
        fields.refuse("fill_color", f"expected 0 to 255, received {grey!r}")
    mode = fields.word("resize_mode", ("shortest", "longest", "squash"), "shortest")
    fields.finish(("size",))
    if mode == "squash":
        rule = ResizeRule(resample, "both sides", px)
    elif mode == "shortest":
        rule = ResizeRule(resample, "shorter side", px, px, "even")
    else:
        rule = ResizeRule(resample, "longer side", px, px, "even", (grey, grey, grey))
    return PublishedPixels(rule, scaling_of(means, deviations))


def _input_px(config: Fields) -> int:
    """The size that the network is made for, which open_clip prefers to that of the pixels."""
    if config.has("model_cfg"):
        model = config.section("model_cfg")
        if model.has("vision_cfg"):
            vision = model.section("vision_cfg")
            if vision.has("image_size"):
                return vision.square("image_size")
    return config.section("preprocess_cfg").square("size")
