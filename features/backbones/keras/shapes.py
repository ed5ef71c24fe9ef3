"""What layers make of what they are given: shapes, and how many numbers their weights are.

Shapes are of one image, without the axis of images; settings are those that the file has. A rule
raises ValueError, or whatever Python raises, where a layer cannot be called so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Shape = tuple[int, ...]
Settings = dict[str, Any]


class Made(NamedTuple):
    """What a layer makes."""

    shape: Shape
    n_numbers: int = 0
    """In its weights."""


def same(settings: Settings, shape: Shape) -> Made:
    """Number by number."""
    return Made(shape)


def _is_first(settings: Settings) -> bool:
    return settings.get("data_format") == "channels_first"


def _parted(settings: Settings, shape: Shape, n_axes: int) -> tuple[list[int], int]:
    """Height, width and the like, and the number of channels."""
    if len(shape) != n_axes + 1:
        raise ValueError(f"takes {n_axes + 1} axes of an image, not {shape}")
    places = shape[1:] if _is_first(settings) else shape[:-1]
    return list(places), shape[0] if _is_first(settings) else shape[-1]


def _joined(settings: Settings, places: Sequence[int], channels: int) -> Shape:
    return (channels, *places) if _is_first(settings) else (*places, channels)


def _each(value: Any, n_axes: int) -> list[int]:
    """One number for each axis."""
    values = [value] * n_axes if isinstance(value, int) else list(value)
    if len(values) != n_axes or not all(isinstance(each, int) and each > 0 for each in values):
        raise ValueError(f"has {value} for {n_axes} axes")
    return values


def _positive(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"has {value} where a number above 0 is expected")
    return value


def _windows(n: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    if padding in ("same", "causal"):
        return -(-n // stride)
    return (n - (kernel - 1) * dilation - 1) // stride + 1


def convolution(n_axes: int, *, is_depthwise: bool = False, is_separable: bool = False) -> Any:
    """Of so many axes."""

    def rule(settings: Settings, shape: Shape) -> Made:
        places, channels = _parted(settings, shape, n_axes)
        kernel = _each(settings["kernel_size"], n_axes)
        strides = _each(settings.get("strides", 1), n_axes)
        dilations = _each(settings.get("dilation_rate", 1), n_axes)
        padding = settings.get("padding", "valid")
        places = [
            _windows(*each) for each in _lined_up(places, kernel, strides, padding, dilations)
        ]
        depth = _positive(settings.get("depth_multiplier", 1)) * channels
        filters = depth if is_depthwise else _positive(settings["filters"])
        if is_separable:
            n_numbers = math.prod(kernel) * depth + depth * filters
        elif is_depthwise:
            n_numbers = math.prod(kernel) * depth
        else:
            n_numbers = (
                math.prod(kernel) * filters * (channels // _positive(settings.get("groups", 1)))
            )
        n_numbers += filters if settings.get("use_bias", True) else 0
        return Made(_joined(settings, places, filters), n_numbers)

    return rule


def _lined_up(
    places: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilations: Sequence[int],
) -> list[tuple[int, int, int, str, int]]:
    return [
        (n, size, stride, padding, dilation)
        for n, size, stride, dilation in zip(places, kernel, strides, dilations, strict=True)
    ]


def transposed_convolution(settings: Settings, shape: Shape) -> Made:
    """Of height and width."""
    places, channels = _parted(settings, shape, 2)
    kernel, strides = _each(settings["kernel_size"], 2), _each(settings.get("strides", 1), 2)
    if settings.get("output_padding") is not None or _each(settings.get("dilation_rate", 1), 2) != [
        1,
        1,
    ]:
        raise ValueError("has an output padding or dilation, which are not supported")
    more = [
        max(size - stride, 0) if settings.get("padding", "valid") == "valid" else 0
        for size, stride in zip(kernel, strides, strict=True)
    ]
    places = [n * by + plus for n, by, plus in zip(places, strides, more, strict=True)]
    filters = _positive(settings["filters"])
    bias = filters if settings.get("use_bias", True) else 0
    return Made(_joined(settings, places, filters), math.prod(kernel) * channels * filters + bias)


def pooling(n_axes: int) -> Any:
    """Of windows."""

    def rule(settings: Settings, shape: Shape) -> Made:
        places, channels = _parted(settings, shape, n_axes)
        sizes = _each(settings.get("pool_size", 2), n_axes)
        strides = settings.get("strides")
        steps = sizes if strides is None else _each(strides, n_axes)
        padding = settings.get("padding", "valid")
        places = [
            _windows(*each) for each in _lined_up(places, sizes, steps, padding, [1] * n_axes)
        ]
        return Made(_joined(settings, places, channels))

    return rule


def global_pooling(n_axes: int) -> Any:
    """Over all places."""

    def rule(settings: Settings, shape: Shape) -> Made:
        _, channels = _parted(settings, shape, n_axes)
        if settings.get("keepdims"):
            return Made(_joined(settings, [1] * n_axes, channels))
        return Made((channels,))

    return rule


def _borders(value: Any, n_axes: int) -> list[int]:
    """How much is added at, or cut from, both ends of each axis together."""
    if isinstance(value, int):
        value = [value] * n_axes
    if n_axes == 1 and isinstance(value, list) and len(value) == 2:
        value = [value]
    pairs = [[each, each] if isinstance(each, int) else each for each in value]
    if len(pairs) != n_axes or not all(
        len(pair) == 2 and all(isinstance(n, int) and n >= 0 for n in pair) for pair in pairs
    ):
        raise ValueError(f"has the borders {value}")
    return [sum(pair) for pair in pairs]


def border(n_axes: int, setting: str, sign: int) -> Any:
    """Zeros around it, or less of it."""

    def rule(settings: Settings, shape: Shape) -> Made:
        places, channels = _parted(settings, shape, n_axes)
        widths = _borders(settings.get(setting, 1), n_axes)
        places = [n + sign * width for n, width in zip(places, widths, strict=True)]
        return Made(_joined(settings, places, channels))

    return rule


_INTERPOLATIONS = ("area", "bicubic", "bilinear", "lanczos3", "lanczos5", "nearest")


def _require_interpolation(settings: Settings) -> None:
    """Keras 2 has others, too."""
    name = settings.get("interpolation", "nearest")
    if name not in _INTERPOLATIONS:
        raise ValueError(
            f"has the interpolation {str(name)[:80]!r}, which Keras 3 does not have: export the "
            f"network as ONNX"
        )


def repeated(n_axes: int) -> Any:
    """Each place several times."""

    def rule(settings: Settings, shape: Shape) -> Made:
        _require_interpolation(settings)
        places, channels = _parted(settings, shape, n_axes)
        sizes = _each(settings.get("size", 2), n_axes)
        places = [n * by for n, by in zip(places, sizes, strict=True)]
        return Made(_joined(settings, places, channels))

    return rule


def resized(settings: Settings, shape: Shape) -> Made:
    """To a height and a width."""
    _require_interpolation(settings)
    _, channels = _parted(settings, shape, 2)
    places = [_positive(settings["height"]), _positive(settings["width"])]
    return Made(_joined(settings, places, channels))


def dense(settings: Settings, shape: Shape) -> Made:
    """Along the last axis."""
    units = _positive(settings["units"])
    bias = units if settings.get("use_bias", True) else 0
    return Made((*shape[:-1], units), shape[-1] * units + bias)


def einsum_dense(settings: Settings, shape: Shape) -> Made:
    """As the equation says, in which the first letter of what is given is the axis of images."""
    given, _, rest = settings["equation"].replace(" ", "").partition(",")
    kernel, _, made = rest.partition("->")
    n_more = len(shape) + 1 - len(given.replace("...", ""))
    more = "ABCDEFGHIJ"[:n_more] if "..." in given else ""
    given, made = given.replace("...", more), made.replace("...", more)
    if len(given) != len(shape) + 1 or len({*given}) < len(given) or not made:
        raise ValueError(f"has the equation {settings['equation'][:60]!r} for {shape}")
    lengths: dict[str, int | None] = dict(zip(given, (None, *shape), strict=True))
    said = settings["output_shape"]
    said = [said] if isinstance(said, int) else list(said)
    for letter, length in zip(reversed(made), reversed(said), strict=False):
        if length is not None:
            lengths.setdefault(letter, _positive(length))
    if any(letter not in lengths for letter in (*made, *kernel)) or lengths[made[0]] is not None:
        raise ValueError(f"has the equation {settings['equation'][:60]!r} for {said}")
    n_numbers = math.prod(lengths[letter] or 0 for letter in kernel)
    axes = settings.get("bias_axes")
    n_numbers += math.prod(lengths[letter] or 0 for letter in axes) if axes else 0
    return Made(tuple(lengths[letter] or 0 for letter in made[1:]), n_numbers)


def _axes(value: Any, n_axes: int) -> list[int]:
    """Axes of an image that are meant by numbers which count the axis of images, too."""
    values = [value] if isinstance(value, int) else list(value or ())
    found = [each + n_axes + 1 if each < 0 else each for each in values]
    if not all(1 <= each <= n_axes for each in found):
        raise ValueError(f"has the axis {value} of {n_axes + 1}")
    return [each - 1 for each in found]


def normalised(n_for_each: int = 0) -> Any:
    """With so many numbers for each channel that are always there."""

    def rule(settings: Settings, shape: Shape) -> Made:
        n_each = n_for_each + bool(settings.get("center", True)) + bool(settings.get("scale", True))
        axes = _axes(settings.get("axis", -1), len(shape))
        return Made(shape, n_each * math.prod(shape[axis] for axis in axes))

    return rule


def scaled_by_root(settings: Settings, shape: Shape) -> Made:
    """`RMSNormalization`."""
    axes = _axes(settings.get("axis", -1), len(shape))
    return Made(shape, math.prod(shape[axis] for axis in axes))


def standardised(settings: Settings, shape: Shape) -> Made:
    """`Normalization`: its mean and variance are weights, unless they are settings."""
    if settings.get("mean") is not None:
        return Made(shape)
    axes = _axes(settings.get("axis", -1), len(shape))
    return Made(shape, 2 * math.prod(shape[axis] for axis in axes) + 1)


def parametric(settings: Settings, shape: Shape) -> Made:
    """`PReLU`."""
    shared = _axes(settings.get("shared_axes"), len(shape))
    return Made(shape, math.prod(n for axis, n in enumerate(shape) if axis not in shared))


def flattened(settings: Settings, shape: Shape) -> Made:
    """To one axis."""
    return Made((math.prod(shape),))


def reshaped(settings: Settings, shape: Shape) -> Made:
    """To axes whose product is the same; one may be -1."""
    target = list(settings["target_shape"])
    if target.count(-1) == 1:
        rest = -math.prod(target)
        target[target.index(-1)] = math.prod(shape) // max(rest, 1)
    if math.prod(target) != math.prod(shape) or not all(each > 0 for each in target):
        raise ValueError(f"would make {target} of {shape}")
    return Made(tuple(target))


def permuted(settings: Settings, shape: Shape) -> Made:
    """To another order of axes."""
    order = list(settings["dims"])
    if sorted(order) != list(range(1, len(shape) + 1)):
        raise ValueError(f"has the order {order} for {shape}")
    return Made(tuple(shape[axis - 1] for axis in order))


def repeated_vector(settings: Settings, shape: Shape) -> Made:
    """`RepeatVector`."""
    (width,) = shape
    return Made((_positive(settings["n"]), width))


def merged(settings: Settings, *shapes: Shape) -> Made:
    """Number by number, where an axis of one is repeated."""
    n_axes = max(len(shape) for shape in shapes)
    filled = [(1,) * (n_axes - len(shape)) + shape for shape in shapes]
    made: list[int] = []
    for lengths in zip(*filled, strict=True):
        others = {length for length in lengths if length != 1}
        if len(others) > 1:
            raise ValueError(f"would merge {' and '.join(map(str, shapes[:4]))}")
        made.append(others.pop() if others else 1)
    return Made(tuple(made))


def concatenated(settings: Settings, *shapes: Shape) -> Made:
    """Side by side along one axis."""
    (axis,) = _axes(settings.get("axis", -1), len(shapes[0]))
    rests = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
    if len(rests) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"would join {' and '.join(map(str, shapes[:4]))}")
    length = sum(shape[axis] for shape in shapes)
    return Made((*shapes[0][:axis], length, *shapes[0][axis + 1 :]))


def attention(settings: Settings, query: Shape, value: Shape, key: Shape | None = None) -> Made:
    """`MultiHeadAttention`: (tokens, width) each."""
    key = value if key is None else key
    if settings.get("attention_axes") not in (None, [1]):
        raise ValueError(f"attends along the axes {settings['attention_axes']}")
    if not len(query) == len(value) == len(key) == 2 or value[0] != key[0]:
        raise ValueError(f"takes lists of tokens, not {query}, {value} and {key}")
    heads, width = _positive(settings["num_heads"]), _positive(settings["key_dim"])
    value_width = _positive(settings.get("value_dim") or width)
    made = settings.get("output_shape")
    made = query[-1] if made is None else made if isinstance(made, int) else made[0]
    if heads * query[0] * key[0] > 1 << 28:
        raise ValueError(f"would compare {query[0]:,} tokens with {key[0]:,}")
    n_numbers = heads * (query[-1] + key[-1]) * width + heads * value[-1] * value_width
    n_numbers += heads * value_width * _positive(made)
    if settings.get("use_bias", True):
        n_numbers += heads * (2 * width + value_width) + made
    return Made((*query[:-1], made), n_numbers)


def plain_attention(
    settings: Settings, query: Shape, value: Shape, key: Shape | None = None
) -> Made:
    """`Attention`: (tokens, width) each."""
    key = value if key is None else key
    if not len(query) == len(value) == len(key) == 2 or query[0] * key[0] > 1 << 28:
        raise ValueError(f"takes lists of tokens, not {query}, {value} and {key}")
    return Made((*query[:-1], value[-1]), 1 if settings.get("use_scale") else 0)


def per_channel(settings: Settings, shape: Shape) -> Made:
    """`LayerScale`."""
    return Made(shape, _positive(settings["projection_dim"]))
