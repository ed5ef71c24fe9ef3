"""Fitting decoded pictures of any size to a network, as a graph of TensorFlow.

What `features.images` does to a picture that is decoded in full size, on pictures (n, height,
width, 3) of one size: reduced by averaging, then scaled from the four nearest pixels; or with a
filter of Pillow, by a rule. Scaling a side is a product with a matrix (pixels out, pixels in), each
row of which has the weights of one pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ..features.images.fit import RESIZE_RULE
from ..features.images.resize import ResizeRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..features.images.fit import Preprocessing

_GREY = 128
_MOST_HALVINGS = 15


def fitted(pixels: Any, preprocessing: Preprocessing) -> Any:
    """Pictures of the network's size.

    Parameters
    ----------
    pixels
        A tensor: uint8, (n, height, width, 3), RGB.
    preprocessing
        The rule; its `grey16` concerns decoding alone.
    """
    sides = tf.shape(pixels)[1:3]
    values = tf.cast(pixels, tf.float32)
    if preprocessing.resize != RESIZE_RULE:
        made = _by_rule(values, sides, ResizeRule.parse(preprocessing.resize))
    else:
        size = tf.constant(preprocessing.size_px, tf.int32)
        values, sides = _reduced(values, sides, size)
        made = _FITS[preprocessing.fit](values, sides, size)
    made.set_shape((None, *preprocessing.size_px, 3))
    return tf.cast(made, tf.uint8)


def _rounded(values: Any) -> Any:
    """Whole numbers from 0 to 255, half rounded up."""
    return tf.clip_by_value(tf.floor(values + 0.5), 0.0, 255.0)


def _reduced(values: Any, sides: Any, size: Any) -> tuple[Any, Any]:
    """Average squares of 2, 4, … pixels a side, as long as both sides keep the network's.

    At the right and lower edge, what is there is averaged.
    """
    powers = tf.constant([1 << n for n in range(_MOST_HALVINGS)], tf.int32)
    fits = powers <= tf.reduce_min(sides // size)
    by = tf.reduce_max(tf.where(fits, powers, tf.ones_like(powers)))
    less = (sides + by - 1) // by  # (2,)
    more = less * by - sides
    padded = tf.pad(values, [[0, 0], [0, more[0]], [0, more[1]], [0, 0]])
    squares = tf.reshape(padded, tf.stack([-1, less[0], by, less[1], by, 3]))
    sums = tf.reduce_sum(squares, [2, 4])  # (n, height, width, 3)
    height, width = (_counts(sides[axis], less[axis], by) for axis in (0, 1))
    return _rounded(sums / (height[:, None, None] * width[None, :, None])), less


def _counts(side: Any, n: Any, by: Any) -> Any:
    """float32, (n,): of how many pixels each is the average."""
    return tf.cast(tf.minimum(by, side - tf.range(n) * by), tf.float32)


def _resized(values: Any, size: Any) -> Any:
    return _rounded(tf.image.resize(values, size, method="bilinear", antialias=False))


def _squashed(values: Any, sides: Any, size: Any) -> Any:
    return _resized(values, size)


def _cropped(values: Any, sides: Any, size: Any) -> Any:
    scale = tf.reduce_min(_float64(sides) / _float64(size))
    inner = tf.maximum(1, tf.cast(tf.round(_float64(size) * scale), tf.int32))
    top, left = tf.unstack((sides - inner) // 2)
    return _resized(values[:, top : top + inner[0], left : left + inner[1]], size)


def _padded(values: Any, sides: Any, size: Any) -> Any:
    scale = tf.reduce_min(_float64(size) / _float64(sides))
    inner = tf.maximum(1, tf.cast(tf.round(_float64(sides) * scale), tf.int32))
    before = (size - inner) // 2
    around = tf.stack([before, size - inner - before], axis=1)  # (2, 2)
    return tf.pad(_resized(values, inner), tf.pad(around, [[1, 1], [0, 0]]), constant_values=_GREY)


def _float64(numbers: Any) -> Any:
    return tf.cast(numbers, tf.float64)


_FITS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "squash": _squashed,
    "crop": _cropped,
    "pad": _padded,
}


def _by_rule(values: Any, sides: Any, rule: ResizeRule) -> Any:
    """Width first, as Pillow mostly does; each of both results is rounded."""
    scaled = _scaled_sides(sides, rule)
    if rule.crop_px is None:
        crop = [(tf.constant(0), tf.constant(0), scaled[axis]) for axis in (0, 1)]
    else:
        crop = [_placed(scaled[axis], rule, rule.crop_px) for axis in (0, 1)]
    for axis, product in ((1, "nhwc,ow->nhoc"), (0, "nhwc,oh->nowc")):
        start, _, n = crop[axis]
        matrix = _weights(sides[axis], scaled[axis], start, n, rule.filter)
        values = _rounded(tf.einsum(product, values, matrix))
    if rule.crop_px is None:
        return values
    pads = [[to, rule.crop_px - to - n] for _, to, n in crop]
    fill = tf.constant(rule.fill, tf.float32)
    return tf.pad(values - fill, [[0, 0], *pads, [0, 0]]) + fill


def _scaled_sides(sides: Any, rule: ResizeRule) -> list[Any]:
    """(height, width) of the whole scaled picture, as `ResizeRule` has it."""
    px = tf.constant(rule.px)
    if rule.side == "both sides":
        return [px, px]
    if rule.side == "longer side":
        ratio = tf.cast(tf.reduce_max(sides), tf.float64) / rule.px
        whole = tf.cast(tf.round(_float64(sides) / ratio), tf.int32)
        return tf.unstack(tf.maximum(1, whole))
    return tf.unstack(rule.px * sides // tf.reduce_min(sides))


def _placed(side: Any, rule: ResizeRule, crop_px: int) -> tuple[Any, Any, Any]:
    """Where a side of the scaled picture is cut, where that goes, and how much of it."""
    rest = side - crop_px
    half = rest // 2
    if rule.offset == "even":
        half = tf.cast(tf.round(_float64(rest) / 2), tf.int32)
    start = tf.where(rest < 0, 0, half)
    to = tf.where(rest < 0, -rest // 2, 0)
    return start, to, tf.minimum(side, crop_px)


def _weights(n_in: Any, n_out: Any, start: Any, n: Any, filter: str) -> Any:
    """float32, (n, n_in): of pixels in for the pixels from `start` of `n_out`."""
    scale = _float64(n_in) / _float64(n_out)
    centres = (_float64(start + tf.range(n)) + 0.5) * scale  # (n,)
    places = _float64(tf.range(n_in)) + 0.5  # (n_in,)
    if filter == "nearest":
        nearest = tf.cast(tf.floor(centres), tf.int32)
        return tf.one_hot(nearest, n_in, dtype=tf.float32)
    support, shape = _FILTERS[filter]
    wide = tf.maximum(scale, 1.0)
    away = (places[None, :] - centres[:, None]) / wide  # (n, n_in)
    weights = tf.where(tf.abs(away) <= support, shape(away), tf.zeros_like(away))
    return tf.cast(weights / tf.reduce_sum(weights, axis=1, keepdims=True), tf.float32)


def _box(x: Any) -> Any:
    return tf.cast((x > -0.5) & (x <= 0.5), tf.float64)


def _bilinear(x: Any) -> Any:
    return tf.maximum(1.0 - tf.abs(x), 0.0)


def _hamming(x: Any) -> Any:
    window = 0.54 + 0.46 * tf.cos(math.pi * x)
    return tf.where(tf.abs(x) < 1.0, _sinc(x) * window, tf.zeros_like(x))


def _bicubic(x: Any) -> Any:
    """Of Keys (1981), with a = -0.5."""
    x = tf.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return tf.where(x < 1.0, near, tf.where(x < 2.0, far, tf.zeros_like(x)))


def _lanczos(x: Any) -> Any:
    return tf.where(tf.abs(x) < 3.0, _sinc(x) * _sinc(x / 3.0), tf.zeros_like(x))


def _sinc(x: Any) -> Any:
    safe = tf.where(x == 0.0, tf.ones_like(x), x) * math.pi
    return tf.where(x == 0.0, tf.ones_like(x), tf.sin(safe) / safe)


_FILTERS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "box": (0.5, _box),
    "bilinear": (1.0, _bilinear),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _bicubic),
    "lanczos": (3.0, _lanczos),
}
"""How far a filter of Pillow reaches, and its weights."""
