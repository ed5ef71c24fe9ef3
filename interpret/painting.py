"""Painting a photograph in the style of another picture, by what a network makes of both.

Gatys, Ecker and Bethge (2016): pixels are changed until a layer of the network says nearly the same
of them as of the content, and the correlations between the channels of several layers, their Gram
matrices, are those of the style. Other networks than VGG see colours of large areas hardly at all;
so the content is given the mean and the covariance of the style's colours first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from ..arguments import require_number, require_whole
from ..errors import ImageRejectedError, ParameterError, UsageError
from ..features.backbones.registry import INSTALLED_EXTRACTOR, find_backbone
from ..features.images.decoder import MAX_PIXELS, require_max_pixels
from ..prediction.image_inputs import named
from ..progress import Progress
from .given_image import decoded, read_image
from .limits import (
    LEAST_PX,
    MOST_PX,
    MOST_STEPS,
    MOST_STRENGTH,
    PREFERRED,
    STEPS_BETWEEN_PREVIEWS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..prediction.image_inputs import ImageLike, Input
    from .network import DifferentiableNetwork

_STYLE_WEIGHT = 40.0
"""Of the style's loss against the content's, at strength 1."""
_SMOOTHNESS = 2e-5
"""Weight of the mean squared difference between neighbouring pixels, of 0 to 255."""
_LEVELS_A_STEP = 4.0
"""Learning rate of Adam, in levels of 8 bits."""
_CONTENT_OCTAVE = 3
"""The content is seen at one eighth of the picture's resolution."""
_MOST_OCTAVES = 5


class Style(NamedTuple):
    """A painted picture, and how it came about."""

    pixels: np.ndarray
    """uint8, (height, width, 3), RGB."""
    extractor: str
    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    steps: int
    strength: float
    content_loss: float
    """Mean squared difference from the content in its layers, over the mean square there."""
    style_loss: float
    """Squared distance of the Gram matrices from those of the style, over that before the first
    step: 1 at the start, 0 for the style itself; a mean over layers. Both are those of `pixels`."""

    def as_dict(self) -> dict[str, Any]:
        """The figures, as JSON values."""
        height, width = self.pixels.shape[:2]
        figures = {key: value for key, value in self._asdict().items() if key != "pixels"}
        return {**figures, "width": width, "height": height}


def default_extractor() -> str:
    """VGG, if its weights are on this machine; else what is installed with bottlebank."""
    for name in PREFERRED:
        if find_backbone(name).imported().imagenet_file(find_backbone(name)).is_file():
            return name
    return INSTALLED_EXTRACTOR


def style(
    content: ImageLike,
    style: ImageLike,
    network: DifferentiableNetwork,
    *,
    content_layers: Sequence[str] = (),
    style_layers: Sequence[str] = (),
    size: int = 384,
    strength: float = 1.0,
    steps: int = 150,
    keep_colours: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_preview: Callable[[np.ndarray, int], object] | None = None,
    progress: bool | None = None,
) -> Style:
    """Paint a photograph in the style of another picture.

    The result depends on nothing that is drawn at random.

    Parameters
    ----------
    content, style
        The photograph, and whose style it gets: each a path, or what else a predictor takes.
    network
        From `open_for_extractor` or `open_for_head`; VGG paints best, `default_extractor` says what
        is on this machine.
    content_layers, style_layers
        Layers of the network; none: the last activation at one eighth of the resolution, and the
        last ones at each resolution.
    size
        Pixels of the longer side of the result, and of the style: in a smaller result the style's
        strokes are larger.
    strength
        How much the style counts against the content; 1 is usual, 0.1 leaves most of
        the content, 10 little.
    steps
        Of the optimiser, Adam.
    keep_colours
        Whether the result has the content's colours, and of the style its strokes alone.
    max_pixels, progress
        As in `extract`.
    on_preview
        Called with the picture, uint8 (height, width, 3), and the number of the step, every
        25 steps.

    Returns
    -------
    Style
        With the painted picture and its losses.

    Raises
    ------
    UsageError
        When a parameter is out of range, a layer is not there or is no map, or no layer is given
        and the network has no map of more than one pixel.
    ImageRejectedError
        When one of the pictures cannot be decoded.
    """
    size = require_whole("size", size, LEAST_PX, MOST_PX)
    wanted = f"a number above 0 and below {MOST_STRENGTH:,}"
    strength = require_number("strength", strength, wanted, 0, MOST_STRENGTH)
    steps = require_whole("steps", steps, 1, MOST_STEPS)
    max_pixels = require_max_pixels(max_pixels)
    given = [read_image(image) for image in (content, style)]
    pictures = [_resized(each, size, max_pixels) for each in given]
    of_content, of_style = _chosen_layers(network, content_layers, style_layers)
    for parameter, names in (("content_layers", of_content), ("style_layers", of_style)):
        for name in names:
            if len(network.require_layer(name)) != 3:
                raise ParameterError(
                    parameter, f"has {name}, whose output is no map: expected one of map_layers"
                )
    before, target = (picture.astype(np.float32) for picture in pictures)
    if keep_colours:
        target = with_colours_of(target, before)
    else:
        before = with_colours_of(before, target)
    painting = _Painting(network, of_content, of_style, before, target, strength)
    with Progress("Painting", steps, unit="steps", show=progress) as bar:
        for number in range(1, steps + 1):
            painting.step()
            bar.update()
            if on_preview is not None and number % STEPS_BETWEEN_PREVIEWS == 0 and number < steps:
                on_preview(painting.pixels(), number)
    painted = painting.pixels()
    content_loss, style_loss = painting.losses(painted)
    return Style(
        painted,
        network.recipe.extractor,
        of_content,
        of_style,
        steps,
        strength,
        content_loss,
        style_loss,
    )


class _Painting:
    """A picture that is changed step by step."""

    def __init__(
        self,
        network: DifferentiableNetwork,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        content: np.ndarray,
        style: np.ndarray,
        strength: float,
    ) -> None:
        import keras
        import tensorflow as tf

        layers = list(dict.fromkeys((*style_layers, *content_layers)))
        maps_of = network.maps_at_any_size(layers)
        self._picture: Any = tf.Variable(tf.constant(content[np.newaxis]))

        def seen(pixels: Any) -> tuple[list[Any], list[Any]]:
            maps = dict(zip(layers, maps_of(pixels), strict=True))
            return [maps[name] for name in content_layers], [_gram(maps[n]) for n in style_layers]

        try:
            of_content, at_first = seen(self._picture)
            _, of_style = seen(tf.constant(style[np.newaxis]))
        except ValueError as error:  # a map without a pixel
            raise ParameterError(
                "size", f"is too small for these layers of {network.recipe.extractor}: choose more"
            ) from error
        squares = [tf.reduce_mean(each**2) + 1e-12 for each in of_content]
        distances = [
            tf.reduce_sum((one - other) ** 2) + 1e-12 * tf.reduce_sum(other**2) + 1e-30
            for one, other in zip(at_first, of_style, strict=True)
        ]
        adam = keras.optimizers.Adam(_LEVELS_A_STEP)
        adam.build([self._picture])

        def losses(picture: Any) -> tuple[Any, Any]:
            maps, grams = seen(picture)
            content_losses = [
                tf.reduce_mean((one - other) ** 2) / square
                for one, other, square in zip(maps, of_content, squares, strict=True)
            ]
            style_losses = [
                tf.reduce_sum((one - other) ** 2) / distance
                for one, other, distance in zip(grams, of_style, distances, strict=True)
            ]
            return tf.add_n(content_losses) / len(maps), tf.add_n(style_losses) / len(grams)

        @tf.function(autograph=False)
        def step() -> None:
            with tf.GradientTape() as tape:
                content_loss, style_loss = losses(self._picture)
                down = self._picture[:, 1:] - self._picture[:, :-1]
                right = self._picture[:, :, 1:] - self._picture[:, :, :-1]
                roughness = tf.reduce_mean(down**2) + tf.reduce_mean(right**2)
                weight = _STYLE_WEIGHT * strength
                loss = content_loss + weight * style_loss + _SMOOTHNESS * roughness
            adam.apply_gradients([(tape.gradient(loss, self._picture), self._picture)])
            self._picture.assign(tf.clip_by_value(self._picture, 0.0, 255.0))

        self._losses = losses
        self.step = step
        """Changes the picture."""

    def losses(self, pixels: np.ndarray) -> tuple[float, float]:
        """Of content and style, of pixels uint8 (height, width, 3)."""
        import tensorflow as tf

        content_loss, style_loss = self._losses(tf.constant(pixels[np.newaxis], tf.float32))
        return float(content_loss), float(style_loss)

    def pixels(self) -> np.ndarray:
        """The picture as it is now: uint8, (height, width, 3)."""
        return np.round(self._picture.numpy()[0]).astype(np.uint8)


def _gram(maps: Any) -> Any:
    """The mean product of two channels at a position: (channels, channels) of one map."""
    import tensorflow as tf

    rows = tf.reshape(maps, (-1, maps.shape[-1]))
    return tf.matmul(rows, rows, transpose_a=True) / tf.cast(tf.shape(rows)[0], tf.float32)


def _chosen_layers(
    network: DifferentiableNetwork, of_content: Sequence[str], of_style: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers of content and style: those given, else by their resolutions."""
    by_octave = _last_by_octave(network)
    if not by_octave and not (of_content and of_style):
        raise UsageError(
            f"no map of {network.recipe.extractor} is wider than 1 pixel: name other layers, or "
            f"choose another network, such as {INSTALLED_EXTRACTOR}"
        )
    content = tuple(of_content)
    if not content:
        nearest = min(by_octave, key=lambda octave: (abs(octave - _CONTENT_OCTAVE), octave))
        content = (by_octave[nearest],)
    return content, tuple(of_style) or tuple(by_octave[octave] for octave in sorted(by_octave))


def _last_by_octave(network: DifferentiableNetwork) -> dict[int, str]:
    """The last activation at each resolution; at 1/8 of the picture's, the octave is 3."""
    maps = {name: network.require_layer(name) for name in network.map_layers}
    if not maps:
        network.require_layer("")  # says which networks have layers
    chosen = network.activations or list(maps)
    found = {}
    for name in chosen:
        side_px = maps[name][0]
        if side_px is not None and side_px > 1:
            octave = round(np.log2(network.input_size_px / side_px))
            found[min(int(octave), _MOST_OCTAVES)] = name
    return found


def with_colours_of(pixels: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pixels whose colours have the mean and the covariance of those of another picture.

    The linear map is that of optimal transport between two normal distributions: of all that do it,
    the one that changes colours least.

    Parameters
    ----------
    pixels, other
        float32, (height, width, 3), 0 to 255, of any sizes.

    Returns
    -------
    ndarray
        float32, of the shape of `pixels`, 0 to 255.
    """
    here, there = (each.reshape(-1, 3).astype(np.float64) for each in (pixels, other))
    of_here, of_there = (np.cov(each.T) + np.eye(3) for each in (here, there))
    root, inverse = _power(of_here, 0.5), _power(of_here, -0.5)
    transport = inverse @ _power(root @ of_there @ root, 0.5) @ inverse
    moved = (here - here.mean(axis=0)) @ transport + there.mean(axis=0)
    return np.clip(moved, 0, 255).reshape(pixels.shape).astype(np.float32)


def _power(symmetric: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * values**exponent) @ vectors.T


def _resized(given: Input, side_px: int, max_pixels: int) -> np.ndarray:
    """An image whose longer side is `side_px`: uint8, (height, width, 3)."""
    pixels = decoded(given, max_pixels)
    height, width = pixels.shape[:2]
    scale = side_px / max(height, width)
    size = (round(width * scale), round(height * scale))
    if min(size) < LEAST_PX // 2:
        raise ImageRejectedError(
            named(given, f"is {width} x {height} pixels: its shorter side is too short to paint")
        )
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
