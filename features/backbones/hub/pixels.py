"""How the pixels of a published network are made: which file says it, and what may be chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....errors import EngineError, UsageError
from ...images.resize import MAX_PX, ResizeRule
from .fields import Fields, PublishedPixels
from .open_clip_config import read_open_clip_config
from .timm_config import read_timm_config
from .transformers_processor import read_processor

if TYPE_CHECKING:
    from pathlib import Path

    from ..spec import ExtractorSpec

PIXELS = (
    "processor_config.json",
    "preprocessor_config.json",
    "open_clip_config.json",
    "config.json",
)
"""Files that say how pixels are made; where there are several, the first that does counts."""

_GREY = (128, 128, 128)


def read_pixels(folder: Path) -> PublishedPixels:
    """How the pixels of a folder's network are made.

    Raises
    ------
    EngineError
        When no file says it, or a field is not understood; it is named.
    """
    for name in PIXELS:
        if not os.path.lexists(folder / name):  # a link to nothing is no reason to read another
            continue
        fields = Fields.of_file(folder / name)
        if name == "processor_config.json":
            if fields.has("image_processor"):
                return read_processor(fields.section("image_processor"))
        elif name == "preprocessor_config.json":
            return read_processor(fields)
        elif name == "open_clip_config.json":
            return read_open_clip_config(fields)
        elif fields.has("pretrained_cfg"):
            return read_timm_config(fields)
    raise EngineError(
        f"{folder} does not say how pixels are made: expected {', '.join(PIXELS[:3])}, or timm's "
        f"config.json; or name its .onnx file, with --size, --fit and --scaling"
    )


def chosen_rule(rule: ResizeRule, spec: ExtractorSpec) -> ResizeRule:
    """The folder's rule, with the size and the fit that are asked for."""
    if spec.size_px is not None and spec.size_px != rule.output_px:
        rule = rule.scaled_to(spec.size_px)
        if not 1 <= rule.px <= MAX_PX:
            raise UsageError(
                f"--size {spec.size_px} would scale pictures to {rule.px} px before the crop; at "
                f"most {MAX_PX} are possible"
            )
    px = rule.output_px
    if spec.fit in (None, rule.fit):
        return rule
    if spec.fit == "squash":
        return ResizeRule(rule.filter, "both sides", px)
    if spec.fit == "crop":
        return ResizeRule(rule.filter, "shorter side", px, px)
    return ResizeRule(rule.filter, "longer side", px, px, "even", _GREY)
