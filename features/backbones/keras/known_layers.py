"""The layers of Keras that networks for pictures have: their settings, and rules of their shapes.

A layer that is not here is refused. A test compares every rule with Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import shapes

if TYPE_CHECKING:
    from collections.abc import Callable


class Known(NamedTuple):
    """A layer."""

    settings: tuple[str, ...]
    """Which decide what it computes; with these, its class is made."""
    rule: Callable[..., shapes.Made] = shapes.same
    takes_several: bool = False
    """Whether it takes a list."""


_CONVOLUTION = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "groups",
    "activation",
    "use_bias",
)
_DEPTHWISE = (
    "depth_multiplier",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "activation",
    "use_bias",
)
_SEPARABLE = (*_DEPTHWISE, "filters")
_POOL = ("pool_size", "strides", "padding", "data_format")
_GLOBAL = ("data_format", "keepdims")
_NORM = ("axis", "epsilon", "center", "scale")

KNOWN: dict[str, Known] = {
    "Activation": Known(("activation",)),
    "ReLU": Known(("max_value", "negative_slope", "threshold")),
    "LeakyReLU": Known(("negative_slope", "alpha")),
    "ELU": Known(("alpha",)),
    "Softmax": Known(("axis",)),
    "PReLU": Known(("shared_axes",), shapes.parametric),
    "Identity": Known(()),
    "Rescaling": Known(("scale", "offset")),
    "Normalization": Known(("axis", "mean", "variance", "invert"), shapes.standardised),
    "Resizing": Known(
        (
            "height",
            "width",
            "interpolation",
            "crop_to_aspect_ratio",
            "pad_to_aspect_ratio",
            "fill_mode",
            "fill_value",
            "antialias",
            "data_format",
        ),
        shapes.resized,
    ),
    "CenterCrop": Known(("height", "width", "data_format"), shapes.resized),
    "Dense": Known(("units", "activation", "use_bias"), shapes.dense),
    "EinsumDense": Known(
        ("equation", "output_shape", "activation", "bias_axes"), shapes.einsum_dense
    ),
    "Conv1D": Known(_CONVOLUTION, shapes.convolution(1)),
    "Conv2D": Known(_CONVOLUTION, shapes.convolution(2)),
    "Conv2DTranspose": Known(
        (*(each for each in _CONVOLUTION if each != "groups"), "output_padding"),
        shapes.transposed_convolution,
    ),
    "DepthwiseConv1D": Known(_DEPTHWISE, shapes.convolution(1, is_depthwise=True)),
    "DepthwiseConv2D": Known(_DEPTHWISE, shapes.convolution(2, is_depthwise=True)),
    "SeparableConv1D": Known(_SEPARABLE, shapes.convolution(1, is_separable=True)),
    "SeparableConv2D": Known(_SEPARABLE, shapes.convolution(2, is_separable=True)),
    "MaxPooling1D": Known(_POOL, shapes.pooling(1)),
    "MaxPooling2D": Known(_POOL, shapes.pooling(2)),
    "AveragePooling1D": Known(_POOL, shapes.pooling(1)),
    "AveragePooling2D": Known(_POOL, shapes.pooling(2)),
    "GlobalMaxPooling1D": Known(_GLOBAL, shapes.global_pooling(1)),
    "GlobalMaxPooling2D": Known(_GLOBAL, shapes.global_pooling(2)),
    "GlobalAveragePooling1D": Known(_GLOBAL, shapes.global_pooling(1)),
    "GlobalAveragePooling2D": Known(_GLOBAL, shapes.global_pooling(2)),
    "BatchNormalization": Known(_NORM, shapes.normalised(2)),
    "LayerNormalization": Known(_NORM, shapes.normalised()),
    "GroupNormalization": Known((*_NORM, "groups"), shapes.normalised()),
    "RMSNormalization": Known(("axis", "epsilon"), shapes.scaled_by_root),
    "UnitNormalization": Known(("axis",)),
    "MultiHeadAttention": Known(
        ("num_heads", "key_dim", "value_dim", "use_bias", "output_shape", "attention_axes"),
        shapes.attention,
    ),
    "Attention": Known(("use_scale", "score_mode"), shapes.plain_attention, True),
    "Flatten": Known(("data_format",), shapes.flattened),
    "Reshape": Known(("target_shape",), shapes.reshaped),
    "Permute": Known(("dims",), shapes.permuted),
    "RepeatVector": Known(("n",), shapes.repeated_vector),
    "ZeroPadding1D": Known(("padding", "data_format"), shapes.border(1, "padding", 1)),
    "ZeroPadding2D": Known(("padding", "data_format"), shapes.border(2, "padding", 1)),
    "Cropping1D": Known(("cropping",), shapes.border(1, "cropping", -1)),
    "Cropping2D": Known(("cropping", "data_format"), shapes.border(2, "cropping", -1)),
    "UpSampling1D": Known(("size",), shapes.repeated(1)),
    "UpSampling2D": Known(("size", "data_format", "interpolation"), shapes.repeated(2)),
    "Add": Known((), shapes.merged, True),
    "Subtract": Known((), shapes.merged, True),
    "Multiply": Known((), shapes.merged, True),
    "Average": Known((), shapes.merged, True),
    "Maximum": Known((), shapes.merged, True),
    "Minimum": Known((), shapes.merged, True),
    "Concatenate": Known(("axis",), shapes.concatenated, True),
    "LayerScale": Known(("projection_dim", "init_values"), shapes.per_channel),
    "CustomScaleLayer": Known(("scale",), shapes.merged, True),
}

OF_APPLICATIONS = {
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
"""Layers that are in the modules of `keras.applications`."""

# fmt: off
INACTIVE = frozenset((
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization",
    "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation",
    "RandomZoom", "SpatialDropout1D", "SpatialDropout2D", "StochasticDepth",
))
# fmt: on
"""Layers that do nothing but in training; they are left out."""

# fmt: off
IGNORED = frozenset((
    "activity_regularizer", "autocast", "batch_input_shape", "batch_shape", "build_input_shape",
    "dropout", "dynamic", "flash_attention", "groups", "input_dtype", "key_shape", "lora_alpha",
    "momentum", "name", "noise_shape", "query_shape", "renorm_clipping", "renorm_momentum", "seed",
    "supports_masking", "synchronized", "trainable", "value_shape",
))
# fmt: on
"""Settings that change nothing in what a layer computes, or are checked elsewhere."""


def layer_class(kind: str) -> Any:
    """The class of a layer."""
    import importlib

    import keras

    home = OF_APPLICATIONS.get(kind)
    return getattr(keras.layers if home is None else importlib.import_module(home), kind)
