"""What the layers of a network make of one image, and which photographs excite the same units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import require_seed, require_whole
from ..cache import content_of_bytes
from ..errors import ImageRejectedError, UsageError
from ..features.images.decoder import MAX_PIXELS, NO_LIMITS, read, require_max_pixels
from ..progress import Progress
from .given_image import decoded, read_image
from .limits import MOST_UNITS, N_IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..extraction import FeatureTable
    from ..prediction.image_inputs import ImageLike
    from .network import DifferentiableNetwork

TRANSFER_VALUES = "transfer values"
"""What stands for a layer where the network's output is meant."""
N_LAYERS = 5
N_UNITS = 4
N_PHOTOGRAPHS = 5
_N_TOGETHER = 16


class Photograph(NamedTuple):
    """One of a table's images, by how much it excites a unit."""

    row: int
    path: str
    label: str
    activation: float


class UnitSeen(NamedTuple):
    """A unit of a layer, in one image."""

    number: int
    """Its place in the layer, from 0."""
    activation: float
    """Of a map, the mean over its positions."""
    deviations: float | None
    """By how many standard deviations that is above the mean of photographs; None without any."""
    values: np.ndarray | None
    """float32, (height, width): its map; None for units without positions."""
    photographs: Sequence[Photograph]
    """Those that excite it most, the most first; without files of the image's own bytes. Fewer
    where all others leave it alike, at its least, as a unit of ReLU at 0."""


class LayerSeen(NamedTuple):
    """A layer, and its strongest units in one image."""

    name: str
    """Of the network; or ``transfer values``."""
    shape: tuple[int | None, ...]
    units: Sequence[UnitSeen]
    n_photographs: int
    """By which its units were compared; 0: their activations alone decided."""


class FeatureMaps(NamedTuple):
    """What the layers of a network make of one image."""

    path: str
    """Its path; empty where it has none."""
    extractor: str
    """The name of the network's."""
    pixels: np.ndarray
    """uint8, (height, width, 3), RGB: the image as the network takes it."""
    layers: Sequence[LayerSeen]

    def as_dict(self) -> dict[str, Any]:
        """The figures, without pixels and maps."""
        return {
            "path": self.path,
            "extractor": self.extractor,
            "layers": [
                {
                    "layer": layer.name,
                    "shape": list(layer.shape),
                    "compared_with": layer.n_photographs,
                    "units": [
                        {
                            "unit": unit.number,
                            "activation": unit.activation,
                            "deviations": unit.deviations,
                            "photographs": [
                                {"path": each.path, "label": each.label, "activation": each[-1]}
                                for each in unit.photographs
                            ],
                        }
                        for unit in layer.units
                    ],
                }
                for layer in self.layers
            ],
        }


class _Population(NamedTuple):
    """Activations of photographs, float32 (n, units), and their rows in the table, int (n,)."""

    activations: np.ndarray
    rows: np.ndarray


def features(
    image: ImageLike,
    network: DifferentiableNetwork,
    layers: Sequence[str] | None = None,
    *,
    table: FeatureTable | None = None,
    units: int = N_UNITS,
    images: int = N_IMAGES,
    random_state: int = 0,
    max_pixels: int = MAX_PIXELS,
    progress: bool | None = None,
) -> FeatureMaps:
    """Find the strongest units of an image in layers of a network.

    Parameters
    ----------
    image
        A path, or what else a predictor takes.
    network
        From `open_for_head` or `open_for_extractor`.
    layers
        Names of layers. None: up to five maps, each the last before the maps become smaller, and
        the transfer values.
    table
        From `extract`, by the same network. With it, the strongest units are those whose activation
        is the most standard deviations above the mean of the table's photographs, and those that
        excite them most are found; without it, the units of the greatest activation.
    units
        How many units of each layer, at most 32.
    images
        How many photographs of the table, drawn at random, are taken through the network for units
        of inner layers. Units of the transfer values are compared with all, from the cache.
    random_state
        Of the draw.
    max_pixels, progress
        As in `extract`.

    Returns
    -------
    FeatureMaps
        With the layers from input to output.

    Raises
    ------
    ImageRejectedError
        When the image cannot be read or decoded.
    UsageError
        When the network has no such layer, or the table is of another network.
    """
    n_units = require_whole("units", units, 1, MOST_UNITS)
    n_images = require_whole("images", images, 1)
    seed = require_seed("random_state", random_state)
    if table is not None:
        table.require_rows()
        if table.recipe.fingerprint != network.recipe.fingerprint:
            raise UsageError(
                f"the table is of {table.recipe.in_words()}, and the network is "
                f"{network.recipe.in_words()}: extract with the same network and settings"
            )
    given, rule = read_image(image), network.recipe.preprocessing
    pixels = rule.applied_to(decoded(given, require_max_pixels(max_pixels), rule))
    own = None if given.data is None else content_of_bytes(given.data)
    names = _spread(network) if layers is None else list(dict.fromkeys(layers))
    for name in names:
        network.require_layer(name)
    seen, features = _seen(network, pixels[None], names)
    pooled = [_pooled_by(np.mean, values)[0] for values in seen]
    # The cache holds what the last maps are averaged to.
    cached = [
        values.shape == features[0].shape and bool(np.allclose(values, features[0], atol=1e-4))
        for values in pooled
    ]
    populations: list[_Population | None] = [None] * len(names)
    of_table = None
    if table is not None:
        others = np.array([content != own for content in table.contents])
        of_table = _Population(table.features[others], np.flatnonzero(others))
        inner = [name for name, is_cached in zip(names, cached, strict=True) if not is_cached]
        passed = iter(_passed(network, table, of_table.rows, inner, n_images, seed, progress))
        populations = [of_table if is_cached else next(passed) for is_cached in cached]
    found = [
        _layer(name, network.layers[name], activations, maps[0], population, n_units, table)
        for name, activations, maps, population in zip(
            names, pooled, seen, populations, strict=True
        )
    ]
    if layers is None and not any(cached):
        of_values = (TRANSFER_VALUES, features[0].shape, features[0], features[0])
        found.append(_layer(*of_values, of_table, n_units, table))
    return FeatureMaps(given.name, network.recipe.extractor, pixels, found)


def _spread(network: DifferentiableNetwork) -> list[str]:
    """The last maps of each size, if there are several; else some at equal distances."""
    layers = network.layers
    of_size: dict[int | None, list[str]] = {}
    for name in network.map_layers:
        of_size.setdefault(layers[name][0], []).append(name)
    # Layers that only add a border have a size of their own.
    last = [names[-1] for names in of_size.values() if len(names) > 2]
    chosen = last if len(last) > 1 else network.map_layers
    if len(chosen) <= N_LAYERS:
        return chosen
    places = np.linspace(0, len(chosen) - 1, N_LAYERS).round().astype(int)
    return [chosen[place] for place in places.tolist()]


def _seen(
    network: DifferentiableNetwork, pixels: np.ndarray, names: Sequence[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Of pixels uint8 (n, height, width, 3): the layers' outputs and the features (n, width)."""
    values = pixels.astype(np.float32)
    if not names:
        return [], np.asarray(network.features(values))
    outputs, features = network.outputs(values, names)
    return [np.asarray(each) for each in outputs], np.asarray(features)


def _pooled_by(mean: Any, values: Any) -> Any:
    """Activations (n, units) of a layer's output, whose positions are averaged."""
    return mean(values, axis=(1, 2)) if len(values.shape) == 4 else values


def _passed(
    network: DifferentiableNetwork,
    table: FeatureTable,
    rows: np.ndarray,
    names: Sequence[str],
    n_images: int,
    seed: int,
    progress: bool | None,
) -> list[_Population]:
    """What photographs of a table excite in inner layers; those that have gone are left out."""
    if not names:
        return []
    if not len(rows):
        return [_Population(np.empty((0, 0), np.float32), rows)] * len(names)
    if len(rows) > n_images:
        rows = np.sort(np.random.default_rng(seed).choice(rows, n_images, replace=False))
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def pooled(pixels: Any) -> list[Any]:
        outputs, _ = network.outputs(tf.cast(pixels, tf.float32), names)
        return [_pooled_by(tf.reduce_mean, each) for each in outputs]

    parts: list[list[np.ndarray]] = [[] for _ in names]
    kept: list[int] = []
    with Progress("Looking at photographs", len(rows), show=progress) as bar:
        for start in range(0, len(rows), _N_TOGETHER):
            group = rows[start : start + _N_TOGETHER].tolist()
            pixels = []
            for row in group:
                try:
                    data = read(table.paths[int(row)])[0]
                    if content_of_bytes(data) == table.keys[row].content:
                        # What has a row was let in when it was extracted.
                        pixels.append(network.decode(data, NO_LIMITS.pixels))
                        kept.append(row)
                except ImageRejectedError:
                    continue
            if pixels:
                for part, values in zip(parts, pooled(np.stack(pixels)), strict=True):
                    part.append(np.asarray(values))
            bar.update(len(group))
    if not kept:
        raise ImageRejectedError(
            "none of the photographs can be read any more: extract them again, or leave the "
            "dataset out"
        )
    return [_Population(np.concatenate(part), np.array(kept)) for part in parts]


def _layer(
    name: str,
    shape: tuple[int | None, ...],
    activations: np.ndarray,
    values: np.ndarray,
    population: _Population | None,
    n_units: int,
    table: FeatureTable | None,
) -> LayerSeen:
    standing = activations
    if population is not None and len(population.rows):
        of_photographs = population.activations.astype(np.float64)
        deviation = of_photographs.std(axis=0)
        # A unit that is constant, or nearly so, would stand out by its rounding.
        least = 1e-3 * float(deviation.max())
        if least > 0:
            standing = (activations - of_photographs.mean(axis=0)) / np.maximum(deviation, least)
        else:  # one photograph, or several that are alike: nothing to deviate from
            population = None
    else:
        population = None
    found = []
    for unit in np.argsort(-standing, kind="stable")[:n_units].tolist():
        photographs = [] if population is None else _exciting(population, unit, table)
        deviations = None if population is None else float(standing[unit])
        map_of_it = values[..., unit] if values.ndim == 3 else None
        found.append(UnitSeen(unit, float(activations[unit]), deviations, map_of_it, photographs))
    return LayerSeen(name, shape, found, 0 if population is None else len(population.rows))


def _exciting(population: _Population, unit: int, table: FeatureTable | None) -> list[Photograph]:
    """The photographs that excite a unit most; one of several files of the same bytes."""
    assert table is not None, "photographs are of a table"
    values = population.activations[:, unit]
    least = values.min()
    has_least = np.count_nonzero(values == least) > 1
    found: dict[bytes, Photograph] = {}
    for place in np.argsort(-values, kind="stable").tolist():
        if len(found) == N_PHOTOGRAPHS or (has_least and values[place] == least):
            break
        row = int(population.rows[place])
        content = bytes(table.keys[row].content)
        if content not in found:
            label, activation = str(table.labels[row]), float(values[place])
            found[content] = Photograph(row, table.paths[row], label, activation)
    return list(found.values())
