"""The smallest change of one image that has a head say otherwise, verified from a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import received, require_one_of, require_seed, require_whole
from ...atomic_file import write_bytes
from ...classifier.given_head import as_head
from ...errors import ImageRejectedError, UsageError
from ...features.images.decoder import MAX_PIXELS, require_max_pixels
from ...prediction.image_inputs import named
from ...prediction.loading import load_predictor
from ...prediction.prediction import Prediction
from ...progress import Progress
from ...replaceable import writing, writing_file
from ..given_image import decoded, read_image
from ..known_class import require_class
from ..made_image import png_of, require_made_image
from ..opening import open_for_head, require_gradients, require_image_itself
from .attack import DEFAULT_STEPS, METHODS, PGD, Attack, Goal
from .budget import LARGEST, in_words, levels_of
from .changed_file import answer_to_files
from .smallest import find_smallest

if TYPE_CHECKING:
    from ...classifier.given_head import HeadLike
    from ...prediction import Predictor
    from ...prediction.image_inputs import ImageLike, Input


@dataclass(frozen=True, eq=False)
class Adversarial:
    """An image, what it was changed into, and what is answered to both."""

    method: str
    """``pgd`` or ``fgsm``."""
    target: str | None
    """The class that was wanted; None: any other than that of the image."""
    largest: int
    """The largest budget that was tried, in levels of 255."""
    levels: int | None
    """The smallest budget that was found to suffice, in levels of 255; None where none did."""
    pixels: np.ndarray
    """uint8, (height, width, 3), RGB: the image as the network sees it."""
    changed: np.ndarray
    """The same after the change; where none sufficed, the attempt within the largest budget."""
    before: Prediction
    """What the predictor says of the image."""
    after: Prediction
    """What it says of the changed one, decoded from a PNG file."""
    engine: str
    """What ran the network for both answers."""
    saved: str | None = None
    """The PNG file of the changed picture; None where none was written."""

    @property
    def flipped(self) -> bool:
        """Whether the answer to the changed picture is the one that was wanted."""
        return self.levels is not None

    @property
    def difference(self) -> np.ndarray:
        """int16, (height, width, 3): changed less original, in levels."""
        return self.changed.astype(np.int16) - self.pixels

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        difference = np.abs(self.difference)
        return {
            "path": self.before.path,
            "method": self.method,
            "target": self.target,
            "flipped": self.flipped,
            "budget": None if self.levels is None else in_words(self.levels),
            "levels": self.levels,
            "largest_budget": in_words(self.largest),
            "mean_change_levels": round(float(difference.mean()), 4),
            "share_changed": round(float((difference > 0).mean()), 4),
            "original": _as_dict(self.before),
            "changed": _as_dict(self.after),
            "engine": self.engine,
            "saved": self.saved,
        }


def _as_dict(prediction: Prediction) -> dict[str, Any]:
    return {
        "label": prediction.label,
        "probability": prediction.probability,
        "unknown": prediction.unknown,
        "predictions": [
            {"label": label, "probability": probability} for label, probability in prediction
        ],
    }


def adversarial(
    image: ImageLike,
    head: HeadLike,
    *,
    target: str | None = None,
    method: str = PGD,
    budget: str | float = LARGEST,
    steps: int = DEFAULT_STEPS,
    save: str | os.PathLike[str] | None = None,
    random_state: int = 0,
    engine: str = "auto",
    max_pixels: int = MAX_PIXELS,
    progress: bool | None = None,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    **loading: Any,
) -> Adversarial:
    """Look for the smallest change of an image that has a head say otherwise.

    Gradients are TensorFlow's. What counts is the answer of a predictor, in the engine in which it
    predicts, to a PNG file of the changed picture, in which pixels have 8 bits.

    Parameters
    ----------
    image
        What a predictor takes for one image.
    head
        A head file; or what `train_head` or `load_head` returns.
    target
        The class that is wanted; None for any other than that of the image.
    method
        ``pgd`` or ``fgsm``.
    budget
        The largest change of a value that is tried, such as ``4/255``.
    steps
        Of PGD, at most.
    save
        A ``.png`` file for the changed picture; it is written where the answer flips. Where none
        does, a changed picture that an earlier call has left there is removed.
    random_state
        Seed of the random start of PGD.
    engine
        ``auto`` or ``tensorflow``: others compute no gradients.
    progress
        Show on stderr how far it is, as in `extract`.
    max_pixels, cache, extractor, weights, loading
        As in `load_predictor`; `loading` holds its `precision` and `parity`.

    Raises
    ------
    UsageError
        When an argument is something else, the head has no such class, the image is answered with
        it already, `save` would replace another file, or the engine computes no gradients.
    ImageRejectedError
        When the image cannot be read or decoded.
    EngineError, HeadFileError, HeadMismatchError, WeightsNotFoundError
        As `load_predictor` and `open_for_head`.
    BottlebankError
        When the changed picture cannot be written.

    Examples
    --------
    >>> found = adversarial("bag.jpg", "head.h5", target="hat")  # doctest: +SKIP
    >>> found.flipped, found.levels, found.after  # doctest: +SKIP
    (True, 2, hat 97.9 %, bag 1.7 %, …)
    """
    require_gradients(engine)
    require_image_itself(loading)
    most, method = levels_of(budget), require_one_of("method", method, METHODS)
    steps, seed = require_whole("steps", steps, 1), require_seed("random_state", random_state)
    kept = None if save is None else require_made_image(save, [image, head])
    loaded = as_head(head)
    if target is not None:
        require_class(loaded.classes, target)
    given, max_pixels = read_image(image), require_max_pixels(max_pixels)
    network = {"cache": cache, "extractor": extractor, "weights": weights, "engine": engine}
    predictor = load_predictor(loaded, **network, max_pixels=max_pixels, **loading)
    rule = predictor.extractor.recipe.preprocessing
    pixels = rule.applied_to(decoded(given, max_pixels, rule))
    before = _answered(predictor, given)
    if before.label == target:
        raise UsageError(
            f"{before.path or 'the image'} is answered with {received(target)} already: choose "
            f"another class as the target"
        )
    wanted = loaded.classes.index(str(before.label if target is None else target))
    goal = Goal(np.array([wanted]), is_targeted=target is not None)
    with Progress("Looking for the smallest change", show=progress) as bar:
        bar.note("starting TensorFlow")
        attack = Attack(
            open_for_head(loaded, **network),
            lambda changed, _: answer_to_files(predictor, changed).probabilities.argmax(axis=1),
            method=method,
            steps=steps,
        )
        levels, changed = find_smallest(
            *(attack, pixels[np.newaxis], goal, most),
            method=method,
            seed=seed,
            report=lambda levels: bar.note(f"within {in_words(levels)}"),
        )
    png, saved = png_of(changed), None
    if kept is not None and levels is None:
        with writing(kept):
            kept.unlink(missing_ok=True)
    elif kept is not None:
        with writing_file(kept):
            write_bytes(kept, png)
        saved = str(kept)
    after = _predicted(predictor, png if saved is None else saved)
    found = partial(Adversarial, method, target, most)
    return found(levels, pixels, changed, before, after, predictor.engine, saved)


def _answered(predictor: Predictor, given: Input) -> Prediction:
    try:
        before = _predicted(predictor, given.picture or given.data or b"")
    except ImageRejectedError as error:
        raise ImageRejectedError(named(given, error)) from error
    before.path = given.name
    return before


def _predicted(predictor: Predictor, image: ImageLike) -> Prediction:
    found = predictor(image)
    assert isinstance(found, Prediction), "of one image there is one"
    return found
