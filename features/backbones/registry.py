"""The registry of frozen networks. Data only: reading it imports no library.

A network of `keras.applications` is a row of `_OTHERS`; tests compare each with the installed
Keras. Any other is a module, which finds the weights and builds it, and a line of `BACKBONES`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnknownExtractorError, UsageError, in_brief
from ...fork_safety import import_whole
from ...formatting import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DEFAULT_EXTRACTOR = "inception_v3"
INSTALLED_EXTRACTOR = "efficientnet_lite0"
"""Its weights are installed with bottlebank."""
HUB = "hf:"
"""Begins the names of networks of the Hugging Face Hub."""
RANDOM = "random"
KERAS = ".keras.applications"


class PixelScaling(NamedTuple):
    """How 8-bit pixels become a network's input: ``pixel * scale + offset``, channel by channel."""

    name: str
    channels: str
    """Order of the channels: RGB or BGR."""
    scale: tuple[float, float, float]
    """Factor of each channel, in the order of `channels`."""
    offset: tuple[float, float, float]
    """Added to each channel after that."""

    def in_words(self) -> str:
        """The formula, for the recipe."""
        return f"{self.channels} * {self.scale} + {self.offset}"

    def for_people(self, n_digits: int = 4) -> str:
        """The formula in brief: one number where those of all channels are equal."""
        if self[2:] == SCALINGS["none"][2:]:
            return "pixels as they are" if self.channels == "RGB" else "pixels as they are, in BGR"
        numbers = [[f"{one:.{n_digits}g}" for one in each] for each in (self.scale, self.offset)]
        factors, offsets = (", ".join(each if len({*each}) > 1 else each[:1]) for each in numbers)
        return f"{self.channels} * ({factors}) + ({offsets})"

    @classmethod
    def parse(cls, words: str) -> PixelScaling:
        """Read what `in_words` gave.

        Raises
        ------
        ValueError
            When it is anything else.
        """
        channels, _, formula = words.partition(" * ")
        try:
            numbers = [
                tuple(float(number) for number in part.strip("()").split(","))
                for part in formula.split(" + ")
            ]
        except ValueError:
            numbers = []
        if channels not in ("RGB", "BGR") or [len(part) for part in numbers] != [3, 3]:
            raise ValueError(f"not a scaling of pixels: {words[:200]!r}")
        (red, green, blue), (of_red, of_green, of_blue) = numbers
        return cls("", channels, (red, green, blue), (of_red, of_green, of_blue)).checked()

    def checked(self) -> PixelScaling:
        """The same.

        Raises
        ------
        ValueError
            When float32 does not hold its numbers, or what pixels become.
        """
        fits = all(1e-30 < abs(number) < 1e30 for number in self.scale)
        if not (fits and all(abs(number) < 1e30 for number in self.offset)):
            raise ValueError(f"{self.in_words()} is too large or too small for float32")
        return self


# The three conventions of keras.applications.imagenet_utils.preprocess_input, none at all for the
# networks that hold a layer for it, and that of EfficientNet-Lite: (pixel - 127) / 128.
SCALINGS = {
    "none": PixelScaling("none", "RGB", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    "tf": PixelScaling("tf", "RGB", (1 / 127.5, 1 / 127.5, 1 / 127.5), (-1.0, -1.0, -1.0)),
    "caffe": PixelScaling("caffe", "BGR", (1.0, 1.0, 1.0), (-103.939, -116.779, -123.68)),
    "torch": PixelScaling(
        "torch",
        "RGB",
        (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "lite": PixelScaling(
        "lite", "RGB", (1 / 128, 1 / 128, 1 / 128), (-127 / 128, -127 / 128, -127 / 128)
    ),
}


def find_scaling(words: str) -> PixelScaling:
    """The scaling that is chosen by name, by numbers, or as a recipe has it.

    Parameters
    ----------
    words
        A name in `SCALINGS`; or a mean and a deviation of values from 0 to 1, each one number or
        three (RGB), as ``0.5,0.5``; or what `PixelScaling.in_words` gave.

    Raises
    ------
    UsageError
        When it is anything else.
    """
    if words in SCALINGS:
        return SCALINGS[words]
    try:
        if " * " in words:
            return PixelScaling.parse(words)
        try:
            numbers = [float(number) for number in words.split(",")]
        except ValueError:
            raise ValueError("it is neither a name nor numbers") from None
        if len(numbers) not in (2, 6):
            raise ValueError(f"{counted(len(numbers), 'number')}, not 2 or 6")
        if not all(map(math.isfinite, numbers)):
            raise ValueError("its numbers are not all finite")
        n_each = len(numbers) // 2
        means, deviations = (part * (3 // n_each) for part in (numbers[:n_each], numbers[n_each:]))
        return scaling_of(means, deviations)
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"unknown scaling {in_brief(repr(words))} ({in_brief(error, 200)}): expected tf, torch, "
            f"caffe, none, or a mean and a deviation of values from 0 to 1, each one number or "
            f"three, as 0.5,0.5 or 0.485,0.456,0.406,0.229,0.224,0.225"
        ) from error


def scaling_of(
    means: Sequence[float],
    deviations: Sequence[float],
    channels: str = "RGB",
    rescale: float = 1 / 255,
) -> PixelScaling:
    """``(pixel * rescale - mean) / deviation``, each mean and deviation in the order of `channels`.

    Raises
    ------
    ValueError
        When a deviation is not above 0, or so small or large that float32 does not hold the result.
    """
    if min(deviations) <= 0:
        raise ValueError(f"deviations of {tuple(deviations)}, which are not all above 0")
    scale = tuple(rescale / deviation for deviation in deviations)
    offset = tuple(-mean / by if mean else 0.0 for mean, by in zip(means, deviations, strict=True))
    for known in SCALINGS.values():  # equal but for rounding: one fingerprint
        pairs = zip((*scale, *offset), (*known.scale, *known.offset), strict=True)
        if known.channels == channels and all(math.isclose(*pair, rel_tol=1e-9) for pair in pairs):
            return known
    (a, b, c), (d, e, f) = scale, offset
    return PixelScaling("", channels, (a, b, c), (d, e, f)).checked()


class Backbone(NamedTuple):
    """One network."""

    name: str
    constructor: str
    """Name of the architecture: for a Keras network ``module:name`` of what builds it."""
    input_size_px: int
    """Height and width of the input."""
    width: int
    """Features per image."""
    scaling: PixelScaling
    weights_file: str | None = None
    """Name of the file with the ImageNet weights; None where the weights are not read from one."""
    pooling: str = "global average"
    """How the last feature map becomes one vector."""
    in_words: str = ""
    """What help texts say of it, beginning with its name; empty where they do not name it."""
    module: str = KERAS
    """Where it is; a name that begins with a dot is of this package. What the module has,
    the docstring of the room says."""
    layers: Sequence[str] = ()
    """Whose outputs are the features, side by side; empty for the last."""
    fit: str = "squash"
    """How a picture of another shape is fitted to the input where nobody says otherwise."""
    resize: str = ""
    """By which rule a picture is scaled; empty for that of `images.fit`."""
    licence: str = ""
    """Of the weights, where it is known."""
    weights_mb: int | None = None
    """Millions of bytes of the ImageNet weights without classification layers, about."""

    @property
    def is_of_keras(self) -> bool:
        """Whether it is of `keras.applications`, and takes pixels as anybody scales them."""
        return self.module == KERAS

    def imported(self) -> Any:
        """The module."""
        return import_whole(self.module, __package__)


# name, constructor in keras.applications, input px, width, scaling, ImageNet weights file, where
# *NAME is NAME_weights_tf_dim_ordering_tf_kernels_notop.h5, and its MB: 4 bytes for each parameter
# fmt: off
_BEST_KNOWN = (  # help texts name them, in this order, and sum up the others
    ("inception_v3", "InceptionV3", 299, 2048, "tf", "*inception_v3", 87),
    ("mobilenet_v2", "MobileNetV2", 224, 1280, "tf", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", 9),
    ("convnext_tiny", "ConvNeXtTiny", 224, 768, "none", "convnext_tiny_notop.h5", 111),
    ("resnet50_v2", "ResNet50V2", 224, 2048, "tf", "*resnet50v2", 94),
    ("efficientnet_v2_b0", "EfficientNetV2B0", 224, 1280, "none", "efficientnetv2-b0_notop.h5", 24),
    ("vgg16", "VGG16", 224, 512, "caffe", "*vgg16", 59),
)
_OTHERS = (
    ("convnext_small", "ConvNeXtSmall", 224, 768, "none", "convnext_small_notop.h5", 198),
    ("convnext_base", "ConvNeXtBase", 224, 1024, "none", "convnext_base_notop.h5", 350),
    ("convnext_large", "ConvNeXtLarge", 224, 1536, "none", "convnext_large_notop.h5", 785),
    ("convnext_xlarge", "ConvNeXtXLarge", 224, 2048, "none", "convnext_xlarge_notop.h5", 1393),
    ("densenet121", "DenseNet121", 224, 1024, "torch", "*densenet121", 28),
    ("densenet169", "DenseNet169", 224, 1664, "torch", "*densenet169", 51),
    ("densenet201", "DenseNet201", 224, 1920, "torch", "*densenet201", 73),
    ("efficientnet_b0", "EfficientNetB0", 224, 1280, "none", "efficientnetb0_notop.h5", 16),
    ("efficientnet_b1", "EfficientNetB1", 240, 1280, "none", "efficientnetb1_notop.h5", 26),
    ("efficientnet_b2", "EfficientNetB2", 260, 1408, "none", "efficientnetb2_notop.h5", 31),
    ("efficientnet_b3", "EfficientNetB3", 300, 1536, "none", "efficientnetb3_notop.h5", 43),
    ("efficientnet_b4", "EfficientNetB4", 380, 1792, "none", "efficientnetb4_notop.h5", 71),
    ("efficientnet_b5", "EfficientNetB5", 456, 2048, "none", "efficientnetb5_notop.h5", 114),
    ("efficientnet_b6", "EfficientNetB6", 528, 2304, "none", "efficientnetb6_notop.h5", 164),
    ("efficientnet_b7", "EfficientNetB7", 600, 2560, "none", "efficientnetb7_notop.h5", 256),
    ("efficientnet_v2_b1", "EfficientNetV2B1", 240, 1280, "none", "efficientnetv2-b1_notop.h5", 28),
    ("efficientnet_v2_b2", "EfficientNetV2B2", 260, 1408, "none", "efficientnetv2-b2_notop.h5", 35),
    ("efficientnet_v2_b3", "EfficientNetV2B3", 300, 1536, "none", "efficientnetv2-b3_notop.h5", 52),
    ("efficientnet_v2_s", "EfficientNetV2S", 384, 1280, "none", "efficientnetv2-s_notop.h5", 81),
    ("efficientnet_v2_m", "EfficientNetV2M", 480, 1280, "none", "efficientnetv2-m_notop.h5", 213),
    ("efficientnet_v2_l", "EfficientNetV2L", 480, 1280, "none", "efficientnetv2-l_notop.h5", 471),
    ("inception_resnet_v2", "InceptionResNetV2", 299, 1536, "tf", "*inception_resnet_v2", 217),
    ("mobilenet", "MobileNet", 224, 1024, "tf", "mobilenet_1_0_224_tf_no_top.h5", 13),
    ("mobilenet_v3_small", "MobileNetV3Small", 224, 576, "none", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", 4),
    ("mobilenet_v3_large", "MobileNetV3Large", 224, 960, "none", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", 12),
    ("nasnet_mobile", "NASNetMobile", 224, 1056, "tf", "nasnet_mobile_no_top.h5", 17),
    ("nasnet_large", "NASNetLarge", 331, 4032, "tf", "nasnet_large_no_top.h5", 340),
    ("resnet50", "ResNet50", 224, 2048, "caffe", "*resnet50", 94),
    ("resnet101", "ResNet101", 224, 2048, "caffe", "*resnet101", 171),
    ("resnet152", "ResNet152", 224, 2048, "caffe", "*resnet152", 233),
    ("resnet101_v2", "ResNet101V2", 224, 2048, "tf", "*resnet101v2", 171),
    ("resnet152_v2", "ResNet152V2", 224, 2048, "tf", "*resnet152v2", 233),
    ("vgg19", "VGG19", 224, 512, "caffe", "*vgg19", 80),
    ("xception", "Xception", 299, 2048, "tf", "*xception", 83),
)
# fmt: on


def _weights_file(name: str) -> str:
    starred = name.removeprefix("*")
    return name if starred == name else f"{starred}_weights_tf_dim_ordering_tf_kernels_notop.h5"


BACKBONES = {
    row[0]: Backbone(
        row[0],
        f"keras.applications:{row[1]}",
        *row[2:4],
        SCALINGS[row[4]],
        _weights_file(row[5]),
        in_words=row[0] if row in _BEST_KNOWN else "",
        weights_mb=row[6],
    )
    for row in (*_BEST_KNOWN, *_OTHERS)
}
BACKBONES |= {
    name: Backbone(
        name,
        f"bottlebank:{name}",
        size_px,
        1280,
        SCALINGS["lite"],
        f"{name.replace('_', '-')}-{digits}.pth",
        in_words=words,
        module=".efficientnet_lite",
        licence="Apache-2.0",  # as the packages with the weights say
        weights_mb=megabytes,
    )
    for name, size_px, digits, megabytes, words in (
        ("efficientnet_lite0", 224, "57934424", 19, "efficientnet_lite0, which needs no download"),
        ("efficientnet_lite1", 240, "77cc7160", 22, ""),
        ("efficientnet_lite2", 260, "9656183e", 25, ""),
    )
}
BACKBONES[RANDOM] = Backbone(
    RANDOM,
    "bottlebank:random_network",
    64,
    512,
    SCALINGS["tf"],
    None,
    "average in a 4x4 grid",
    module=".random_network",
)


def is_backbone(name: str) -> bool:
    """Whether `find_backbone` knows the name."""
    return _plain(name) in map(_plain, BACKBONES)


def find_backbone(name: str) -> Backbone:
    """Look up a network by its name; ``MobileNetV2`` and ``mobilenet-v2`` are ``mobilenet_v2``.

    Raises
    ------
    UnknownExtractorError
        With the nearest names.
    """
    if not isinstance(name, str):
        raise UnknownExtractorError(
            f"expected the name of an extractor, such as {DEFAULT_EXTRACTOR!r}, received {name!r}"
        )
    plain = {_plain(known): row for known, row in BACKBONES.items()}
    row = plain.get(_plain(name))
    if row is not None:
        return row
    near = [plain[match].name for match in nearest(_plain(name), plain)]
    suggestion = (
        f"did you mean {' or '.join(near)}?" if near else "`bottlebank extractors` lists them"
    )
    raise UnknownExtractorError(f"unknown extractor {name!r}: {suggestion}")


def nearest(name: str, known: Collection[str]) -> list[str]:
    """Up to three names that are like another, the likest first, else in the order of `known`."""
    import difflib

    order = {each: place for place, each in enumerate(known)}

    def likeness(match: str) -> tuple[float, int]:
        return -difflib.SequenceMatcher(None, match, name).ratio(), order[match]

    return sorted(difflib.get_close_matches(name, known, n=3), key=likeness)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
