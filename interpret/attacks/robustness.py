"""How many right answers of a head survive an attack, by how much it may change."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...arguments import require_one_of, require_seed, require_whole
from ...classifier.given_head import as_head
from ...errors import ImageRejectedError, UsageError
from ...features.images.decoder import MAX_PIXELS
from ...prediction.image_inputs import bytes_of
from ...prediction.loading import load_predictor
from ...progress import Progress
from ..opening import open_for_head, require_gradients, require_image_itself
from .attack import DEFAULT_STEPS, METHODS, PGD, VERSION, Attack, Goal
from .budget import OF_CURVE, all_levels_of, in_words
from .changed_file import answer_to_files
from .journal import Journal, require_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...classifier.given_head import HeadLike
    from ...prediction import Predictor

_GROUP = 8


class Attacked(NamedTuple):
    """What became of one image."""

    right: bool
    """Whether it was answered rightly before."""
    unknown: bool
    """Whether it was called unknown before."""
    levels: int | None = None
    """The smallest of the budgets with which its answer flipped; None where none sufficed, or the
    answer was wrong before."""
    unknown_after: bool = False
    """Whether the changed picture, whose answer flipped, is called unknown."""


@dataclass(frozen=True)
class AtBudget:
    """How a head does on pictures that may be changed within a budget."""

    levels: int
    """Of 255; 0: unchanged."""
    right: int
    """Images that are answered rightly whatever the attack tried."""
    accuracy: float
    """Their share, 0 to 1."""
    flipped: int
    """Images whose right answer the attack has flipped."""
    flipped_unknown: int | None
    """How many of the flipped are called unknown; None where the head calls nothing unknown."""


@dataclass(frozen=True)
class Robustness:
    """The curve of a head: its accuracy under attack at several budgets."""

    method: str
    """``pgd`` or ``fgsm``."""
    steps: int
    """Of PGD, at most."""
    images: int
    """That were attacked, or answered wrongly before."""
    unknown: int | None
    """Of them, called unknown before any change; None where the head calls nothing unknown."""
    at: tuple[AtBudget, ...]
    """Without change, then by rising budgets."""
    rejected: tuple[tuple[str, str], ...]
    """(path, reason) of images that could not be read or decoded."""
    engine: str
    """What ran the network for all answers."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **{name: getattr(self, name) for name in ("method", "steps", "images", "unknown")},
            "budgets": [{"budget": in_words(each.levels), **asdict(each)} for each in self.at],
            "rejected": [{"path": path, "reason": reason} for path, reason in self.rejected],
            "engine": self.engine,
        }


def robustness(
    images: Sequence[str | os.PathLike[str]],
    labels: Sequence[str],
    head: HeadLike,
    *,
    budgets: str | Sequence[str | float] = OF_CURVE,
    method: str = PGD,
    steps: int = DEFAULT_STEPS,
    resume: str | os.PathLike[str] | None = None,
    on_found: Callable[[Robustness], object] | None = None,
    random_state: int = 0,
    engine: str = "auto",
    max_pixels: int = MAX_PIXELS,
    progress: bool | None = None,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    **loading: Any,
) -> Robustness:
    """Measure the accuracy of a head on images that an attack changes within budgets.

    Each image that is answered rightly is attacked within each budget in turn, until its answer
    flips: a change within one budget is within all larger ones. As in `adversarial`, what counts is
    the answer of a predictor to a PNG file.

    Parameters
    ----------
    images
        Paths of image files.
    labels
        The class of each.
    head
        A head file; or what `train_head` or `load_head` returns.
    budgets
        Such as ``["1/255", "4/255"]``.
    method, steps, random_state, engine
        As in `adversarial`.
    resume
        A file in which what was found so far is kept, and from which an interrupted measurement
        goes on; it is removed at the end. None for no such file. What is there and is something
        else is refused.
    on_found
        Called with the result before the file of `resume` is removed: where it raises, that stays.
    progress
        Show progress on stderr, as in `extract`.
    max_pixels, cache, extractor, weights, loading
        As in `load_predictor`; `loading` holds its `precision` and `parity`.

    Raises
    ------
    UsageError
        When an argument is something else, no image can be decoded, another file has the name
        `resume`, or the engine computes no gradients.
    BottlebankError
        When the file of `resume` cannot be written.
    EngineError, HeadFileError, HeadMismatchError, WeightsNotFoundError
        As `load_predictor` and `open_for_head`.
    """
    require_gradients(engine)
    require_image_itself(loading)
    levels, method = all_levels_of(budgets), require_one_of("method", method, METHODS)
    steps, seed = require_whole("steps", steps, 1), require_seed("random_state", random_state)
    paths = [os.fsdecode(each) for each in images]
    if not paths or len(paths) != len(labels):
        raise UsageError(
            f"expected images and a label for each, received {len(paths):,} images and "
            f"{len(labels):,} labels"
        )
    kept = None if resume is None else Path(resume)
    require_journal(kept)
    loaded = as_head(head)
    given = {"cache": cache, "extractor": extractor, "weights": weights, "engine": engine}
    predictor = load_predictor(loaded, **given, max_pixels=max_pixels, many=True, **loading)
    of = [
        loaded.version,
        predictor.engine,
        predictor.precision,
        method,
        steps,
        seed,
        levels,
        VERSION,
    ]
    journal = Journal(kept, of)
    measure = _Measurement(predictor, levels, seed)
    with Progress("Attacking", len(paths), show=progress) as bar:
        bar.note("starting TensorFlow")
        attack = Attack(open_for_head(loaded, **given), measure.answers, method=method, steps=steps)
        bar.note("")
        for first in range(0, len(paths), _GROUP):
            group = list(zip(paths, labels, strict=True))[first : first + _GROUP]
            measure.go_on(attack, journal, group)
            bar.update(len(group))
    found = measure.summary(method, steps, knows_unknown=loaded.unknown is not None)
    if on_found is not None:
        on_found(found)
    journal.remove()
    return found


class _Measurement:
    """What is found, image by image."""

    def __init__(self, predictor: Predictor, levels: list[int], seed: int) -> None:
        self._predictor, self._levels, self._seed = predictor, levels, seed
        self._found: list[Attacked] = []
        self._rejected: list[tuple[str, str]] = []
        self._unknown: dict[int, bool] = {}

    def answers(self, changed: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The predictor's answers to changed pictures, int (n,)."""
        answer = answer_to_files(self._predictor, changed)
        self._unknown |= zip(rows.tolist(), answer.unknown.tolist(), strict=True)
        return answer.probabilities.argmax(axis=1)

    def go_on(self, attack: Attack, journal: Journal, group: list[tuple[str, str]]) -> None:
        """Attack a few images, but for those in the journal."""
        pixels, truths, keys = [], [], []
        for path, label in group:
            try:
                data = bytes_of(path)
                key = hashlib.sha256(
                    label.encode(errors="surrogatepass") + b"\0" + data
                ).hexdigest()
                if (known := journal.get(key)) is not None:
                    self._found.append(Attacked(*known))
                    continue
                pixels.append(self._predictor.decode_and_resize(data))
            except (ImageRejectedError, UsageError) as error:
                self._rejected.append((path, str(error)))
                continue
            truths.append(label)
            keys.append(key)
        if pixels:
            found = self._attacked(attack, np.stack(pixels), truths, keys)
            self._found += found
            journal.add(dict(zip(keys, found, strict=True)))

    def _attacked(
        self, attack: Attack, pixels: np.ndarray, truths: list[str], keys: list[str]
    ) -> list[Attacked]:
        answer = self._predictor.answer(pixels)
        classes = self._predictor.classes
        said = answer.probabilities.argmax(axis=1)
        right = np.array([classes[n] == truth for n, truth in zip(said, truths, strict=True)])
        found = [
            Attacked(bool(is_right), bool(is_unknown))
            for is_right, is_unknown in zip(right, answer.unknown, strict=True)
        ]
        # From the image itself: where PGD starts does not depend on which images are beside it.
        seeds = np.array([int(key[:12], 16) + self._seed for key in keys])
        left = np.flatnonzero(right)
        for levels in self._levels:
            self._unknown.clear()
            _, reached = attack(pixels[left], Goal(said[left]), levels, seeds[left])
            for position in np.flatnonzero(reached):
                row = left[position]
                found[row] = found[row]._replace(
                    levels=levels, unknown_after=self._unknown[int(position)]
                )
            left = left[~reached]
        return found

    def summary(self, method: str, steps: int, *, knows_unknown: bool) -> Robustness:
        """The figures of all images."""
        found, n_images = self._found, len(self._found)
        if not n_images:
            path, reason = self._rejected[0]
            raise UsageError(f"none of the images can be decoded; the first, {path}: {reason}")
        at = []
        for levels in (0, *self._levels):
            flipped = [each for each in found if each.levels is not None and each.levels <= levels]
            n_right = sum(each.right for each in found) - len(flipped)
            n_unknown = sum(each.unknown_after for each in flipped) if knows_unknown else None
            at.append(AtBudget(levels, n_right, n_right / n_images, len(flipped), n_unknown))
        before = sum(each.unknown for each in found) if knows_unknown else None
        rejected, engine = tuple(self._rejected), self._predictor.engine
        return Robustness(method, steps, n_images, before, tuple(at), rejected, engine)
