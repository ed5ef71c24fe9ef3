"""Networks of timm: ``pretrained_cfg`` in their ``config.json``."""

from __future__ import annotations

import math

from ...images.resize import FILTERS, ResizeRule
from ..registry import scaling_of
from .fields import Fields, PublishedPixels

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Where weights are, what the classes are, and what other uses of the network need.
_WITHOUT_EFFECT = (
    "architecture",
    "classifier",
    "custom_load",
    "description",
    "file",
    "first_conv",
    "fixed_input_size",
    "hf_hub_filename",
    "hf_hub_id",
    "label_descriptions",
    "label_names",
    "label_offset",
    "license",
    "min_input_size",
    "notes",
    "num_classes",
    "num_features",
    "origin_url",
    "paper_ids",
    "paper_name",
    "pool_size",
    "source",
    "tag",
    "test_crop_pct",
    "test_input_size",
    "test_pool_size",
    "url",
)


def read_timm_config(config: Fields) -> PublishedPixels:
    """How timm makes pixels for evaluation: its ``resolve_data_config`` and ``create_transform``.

    Parameters
    ----------
    config
        The file; of it, only ``pretrained_cfg`` counts.

    Raises
    ------
    EngineError
        When a field is not understood; it is named.
    """
    fields = config.section("pretrained_cfg")
    size = fields.value("input_size")
    if not isinstance(size, list) or len(size) != 3 or size[0] != 3:
        fields.refuse("input_size", f"expected [3, height, width], received {size!r}")
    input_px = Fields({"input_size": size[1:]}, fields.where).square("input_size")
    resample = fields.word("interpolation", FILTERS, "bicubic")
    px = fields.scaled_px("crop_pct", math.floor(input_px / fields.number("crop_pct", 0.875)))
    means, deviations = fields.three("mean", _IMAGENET[0]), fields.deviations("std", _IMAGENET[1])
    mode = fields.word("crop_mode", ("center", "squash", "border"), "center")
    if mode == "squash":
        rule = ResizeRule(resample, "both sides", px, None if px == input_px else input_px, "even")
    elif mode == "center":
        rule = ResizeRule(resample, "shorter side", px, input_px, "even")
    else:
        red, green, blue = (min(255, max(0, round(255 * mean))) for mean in means)
        rule = ResizeRule(resample, "longer side", px, input_px, "even", (red, green, blue))
    fields.finish(_WITHOUT_EFFECT)
    return PublishedPixels(rule, scaling_of(means, deviations))
