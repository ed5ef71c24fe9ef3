"""Pictures that excite a unit, or speak for a class, more than photographs do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from ..arguments import require_number, require_path, require_seed, require_whole
from ..errors import UsageError
from ..progress import Progress
from . import log_odds
from .ascent import Ascent
from .familiarity import familiar_odds
from .kept_pictures import KeptPictures
from .known_class import require_class

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .network import DifferentiableNetwork

    Scorer = Callable[[Any, Any], Any]

N_STEPS = 64
DECAY = 1.4
POSITIONS = ("mean", "middle")
"""What is maximised of a map: its mean, or its value in the middle."""
_METHOD: Final = 3
"""Raised when the same settings give another picture: kept ones are then made anew."""
_LEAK: Final = 0.1


class Picture(NamedTuple):
    """A picture that was made to excite one unit, or to speak for one class."""

    target: int | str
    """The unit, from 0, or the class."""
    pixels: np.ndarray
    """uint8, (height, width, 3), RGB, of the network's input."""
    score: float
    """Of these pixels: the unit's activation, or the log odds of the class."""
    probability: float | None
    """What the head says of the class, 0 to 1; None for a unit."""
    unknown: bool
    """Whether the head calls it unknown, since it resembles no photograph of its classes."""
    path: Path | None
    """The PNG file in which the pixels are kept; None: nowhere."""
    was_kept: bool
    """Whether an earlier run had made it."""


def _says(picture: Picture) -> dict[str, Any]:
    return {"probability": picture.probability, "unknown": picture.unknown}


class Maximised(NamedTuple):
    """Pictures of one layer's units, or of a head's classes."""

    extractor: str
    """The name of the network's."""
    layer: str | None
    """None: the transfer values, or classes."""
    pictures: Sequence[Picture]

    @property
    def of_classes(self) -> bool:
        """Whether they are of classes."""
        return any(isinstance(each.target, str) for each in self.pictures)

    def as_dict(self) -> dict[str, Any]:
        """The figures, without pixels."""
        kind, score = ("class", "log_odds") if self.of_classes else ("unit", "activation")
        return {
            "extractor": self.extractor,
            "layer": self.layer,
            "pictures": [
                {
                    kind: each.target,
                    score: each.score,
                    **({} if each.probability is None else _says(each)),
                    "file": None if each.path is None else str(each.path),
                    "was_kept": each.was_kept,
                }
                for each in self.pictures
            ],
        }


def maximise(
    network: DifferentiableNetwork,
    *,
    units: Sequence[int] = (),
    layer: str | None = None,
    classes: Sequence[str] = (),
    at: Literal["mean", "middle"] = "mean",
    steps: int = N_STEPS,
    decay: float = DECAY,
    random_state: int = 0,
    keep: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Maximised:
    """Find a picture for each unit, or each class, by steps along the gradient.

    From a faint picture of noise, pixels are changed so that the unit becomes more active (Erhan,
    Bengio, Courville and Vincent, 2009). That is done in the frequencies of uncorrelated colours,
    and the picture is turned, scaled and moved a little before each step (Olah, Mordvintsev and
    Schubert, "Feature Visualization", Distill 2017): what excites only as single pixels is left
    out. Where a plain colour excites more, it is that.

    Parameters
    ----------
    network
        From `open_for_head`, for classes; or from `open_for_extractor`.
    units
        Numbers of units, from 0.
    layer
        The layer of the units; None: the transfer values.
    classes
        Classes of the head, in place of units. Their log odds are raised, which the logits of the
        other classes lower, as far as the head does not call the picture unknown.
    at
        Of a layer of maps, ``mean`` over the positions, or ``middle``.
    steps
        Steps for each picture.
    decay
        The power of the frequency by which amplitudes fall: greater values give smoother pictures.
    random_state
        Seed of the start and of the movements.
    keep
        A folder in which each picture is kept as a PNG file when it is ready: the same call goes on
        after those that are there. Pictures of other settings lie beside one another.
    progress
        As in `extract`.

    Returns
    -------
    Maximised
        The pictures in the order given. Scores are those of their 8-bit pixels.

    Raises
    ------
    UsageError
        When there is no such layer, unit or class, or neither or both of units and classes.
    BottlebankError
        When a picture cannot be kept.
    """
    steps, seed = require_whole("steps", steps, 1), require_seed("random_state", random_state)
    decay = require_number("decay", decay, "a number between 0 and 3", -1e-9, 3)
    if at not in POSITIONS:
        raise UsageError(f"expected at to be {' or '.join(POSITIONS)}, received {at!r}")
    chosen = _chosen(network, units, layer, classes)
    if layer is None or len(network.require_layer(layer)) < 3:
        at = "mean"  # nothing else is there, so that it is not what a kept picture depends on
    folder = None if keep is None else require_path(keep, "the path of a folder")
    kept = KeptPictures(folder, network)
    settings = {"method": _METHOD, "at": at, "steps": steps, "decay": decay, "seed": seed}
    score, climbed = _scorers(network, layer, at, of_classes=bool(classes))
    ascent = Ascent(network.input_size_px, decay, score, climbed)
    found = []
    unit_of_progress = "classes" if classes else "units"
    with Progress("Maximising", len(chosen), unit=unit_of_progress, show=progress) as bar:
        for target, number in chosen:
            key = _key(network, layer, target, settings)
            pixels = kept.find(key)
            was_kept = pixels is not None
            if pixels is None:
                made = ascent.climb(number, steps, [seed, number])
                pixels, path = kept.keep(key, target, made)
            else:
                path = kept.path(key, target)
            score = ascent.score(pixels, number)
            says = _answer(network, pixels, number) if classes else (None, False)
            found.append(Picture(target, pixels, score, *says, path, was_kept))
            bar.update()
    return Maximised(network.recipe.extractor, layer, found)


def _chosen(
    network: DifferentiableNetwork,
    units: Sequence[int],
    layer: str | None,
    classes: Sequence[str],
) -> list[tuple[int | str, int]]:
    """Each target, and its place in the layer or among the classes."""
    if bool(units) == bool(classes):
        raise UsageError("what is to be maximised? Expected units or classes, and not both")
    if classes:
        if network.head is None:
            raise UsageError("classes are of a head: open the network with one, or choose units")
        if layer is not None:
            raise UsageError(f"classes are of the head, not of the layer {layer}: leave one out")
        for name in classes:
            require_class(network.classes, name)
        return [(name, network.classes.index(name)) for name in dict.fromkeys(classes)]
    width = network.recipe.width if layer is None else network.require_layer(layer)[-1]
    numbers = [require_whole("units", unit, 0) for unit in dict.fromkeys(units)]
    for unit in numbers:
        if width is not None and unit >= width:
            where = "the transfer values have" if layer is None else f"the layer {layer} has"
            raise UsageError(f"no unit {unit}: {where} the units 0 to {width - 1}")
    return [(unit, unit) for unit in numbers]


def _scorers(
    network: DifferentiableNetwork, layer: str | None, at: str, *, of_classes: bool
) -> tuple[Scorer, Scorer]:
    """What is maximised, and what is climbed for that: from pixels and a number to values (n,).

    A ReLU has no slope where it is 0, nor one of 6 where it is that: there, what goes into it is
    climbed.
    """
    if of_classes:

        def odds(pixels: Any, number: Any) -> Any:
            return log_odds.of_logits(network.logits(pixels), number)

        return odds, partial(familiar_odds, network)
    score = partial(_activation, network, layer, at)
    last = layer
    if layer is None:
        maps = network.map_layers
        ends = maps and network.layers[maps[-1]][-1] == network.recipe.width
        last = maps[-1] if ends else None
    before = None if last is None else network.before_activation(last)
    if before is None:
        return score, score

    def climbed(pixels: Any, number: Any) -> Any:
        return score(pixels, number) + _LEAK * _activation(network, before, at, pixels, number)

    return score, climbed


def _activation(
    network: DifferentiableNetwork, layer: str | None, at: str, pixels: Any, number: Any
) -> Any:
    import tensorflow as tf

    if layer is None:
        return tf.gather(network.features(pixels), number, axis=-1)
    (values,), _ = network.outputs(pixels, [layer])
    values = tf.gather(values, number, axis=-1)
    if len(values.shape) == 1:
        return values
    if at == "mean":
        return tf.reduce_mean(values, axis=(1, 2))
    height, width = tf.shape(values)[1], tf.shape(values)[2]
    return values[:, height // 2, width // 2]


def _answer(network: DifferentiableNetwork, pixels: np.ndarray, number: int) -> tuple[float, bool]:
    """The head's probability of a class, and whether it calls the picture unknown."""
    assert network.head is not None, "classes are of a head"
    answer = network.head.answer(np.asarray(network.features(pixels[None].astype(np.float32))))
    return float(answer.probabilities[0, number]), bool(answer.unknown[0])


def _key(
    network: DifferentiableNetwork, layer: str | None, target: int | str, settings: dict[str, Any]
) -> dict[str, Any]:
    """All that decides a picture."""
    of = {"class": target} if isinstance(target, str) else {"layer": layer, "unit": target}
    head = network.head.version if network.head is not None and isinstance(target, str) else None
    return {"recipe": network.recipe.fingerprint, "head": head, **of, **settings}
