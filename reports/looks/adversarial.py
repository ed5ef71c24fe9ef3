"""Pictures of adversarial changes: of one image, and the curve of a head on a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...arguments import is_one_of, received, require_seed, require_whole
from ...classifier.given_head import as_head
from ...datasets import load_dataset
from ...datasets.splits import SPLITS
from ...datasets.unlabelled import require_labels
from ...errors import DatasetError, UsageError
from ...formatting import counted
from ...interpret.attacks.adversarial import adversarial
from ...interpret.attacks.budget import OF_CURVE, all_levels_of, in_words
from ...interpret.attacks.journal import is_journal
from ...interpret.attacks.robustness import robustness
from ...interpret.opening import require_gradients
from ...replaceable import writing_file
from ...training.evaluate import extract_for_head
from ...training.split import split_table
from ...viz.looks.adversarial import Answered, draw_adversarial
from ...viz.looks.robustness import draw_robustness
from ...viz.theme import require_theme
from ..output_paths import MADE_IMAGE, PICTURE, Kind, require_output, require_outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...classifier import Head
    from ...datasets import Dataset
    from ...interpret.attacks.adversarial import Adversarial
    from ...interpret.attacks.robustness import Robustness
    from ...prediction import Prediction

N_IMAGES = 100
"""Of a curve."""


_JOURNAL = Kind("an interrupted measurement", (".json",), is_journal)


class Looked(NamedTuple):
    """One image, its picture, and how far the change is magnified in it."""

    found: Adversarial
    output: Path
    magnified: int

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        about = {"output": str(self.output), "magnified": self.magnified}
        return {**self.found.as_dict(), **about}


class Curve(NamedTuple):
    """The robustness of a head on a sample of a dataset, and its picture."""

    found: Robustness
    output: Path
    split: str
    n_split: int
    """Images of the split, of which the sample was drawn."""
    classes: tuple[str, ...]
    """Of the sample's images, ascending; of one that the head does not know, all are wrong."""
    known: tuple[str, ...]
    """Of the head."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        about = {"output": str(self.output), "split": self.split, "images_of_split": self.n_split}
        return {**self.found.as_dict(), **about}


_OF_EXTRACTION = {"cache", "extractor", "weights", "parity", "max_pixels", "progress"}


def look_adversarial(
    image: str | os.PathLike[str],
    head: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    save: str | os.PathLike[str] | None = None,
    theme: str = "light",
    **settings: Any,
) -> Looked:
    """Draw the smallest change found that flips the answer to an image.

    Parameters
    ----------
    image
        The path of an image file.
    head
        The path of a head file.
    output
        A ``.png`` or ``.svg`` file.
    save
        A ``.png`` file for the changed picture; None for `output` with the ending ``.changed.png``.
        It is written where the answer flips; where it does not, one that an earlier call has left
        there is removed.
    theme
        ``light`` or ``dark``.
    settings
        As in `adversarial`.

    Raises
    ------
    UsageError, ImageRejectedError
        As `adversarial`; and when a file cannot be written, or would replace another.
    """
    colours = require_theme(theme)
    inputs = [os.fspath(image), os.fspath(head)]
    path = require_output(output, PICTURE, inputs)
    changed = path.with_suffix(".changed.png") if save is None else save
    changed = require_output(changed, MADE_IMAGE, inputs)
    if changed.resolve() == path.resolve():
        raise UsageError(f"{path} cannot hold two pictures: choose another name for --save")
    found = adversarial(image, head, save=changed, **settings)
    with writing_file(path):
        magnified = draw_adversarial(
            found.pixels,
            found.changed,
            (_answered(found.before), _answered(found.after)),
            path,
            title_of(found),
            theme=colours,
        )
    return Looked(found, path, magnified)


def title_of(found: Adversarial) -> str:
    """What was found, in one line."""
    wanted = "another answer" if found.target is None else f"the answer {found.target}"
    if found.levels is None:
        return (
            f"No change of up to {in_words(found.largest)} was found that gives {wanted} "
            f"({found.method.upper()})"
        )
    unknown = ", called unknown" if found.after.unknown else ""
    return f"A change of {in_words(found.levels)} gives {wanted}{unknown} ({found.method.upper()})"


def look_robustness(
    data: str | os.PathLike[str] | Dataset,
    head: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    budgets: str | Sequence[str | float] = OF_CURVE,
    n_images: int = N_IMAGES,
    split: str | None = None,
    reading: Mapping[str, Any] | None = None,
    theme: str = "light",
    random_state: int = 0,
    engine: str = "auto",
    precision: str = "auto",
    **settings: Any,
) -> Curve:
    """Draw the accuracy of a head on a sample of a dataset that an attack changes.

    What an interrupted measurement has found stands beside `output`, in a file of that name with
    the ending ``.partial.json``, from which the same call goes on.

    Parameters
    ----------
    data
        A dataset with labels, or its path.
    head
        The path of a head file.
    output
        A ``.png`` or ``.svg`` file.
    budgets, engine, precision, settings
        As in `robustness`.
    n_images
        At most so many, drawn at random from the split.
    split
        ``train``, ``validation``, ``test`` or ``all``; None for test, or validation where test has
        no images.
    reading
        Of a path: keywords of `load_dataset`.
    theme
        ``light`` or ``dark``.
    random_state
        Seed of the sample, and of the attack.

    Raises
    ------
    UsageError, DatasetError
        As `robustness` and `evaluate_head`; and when a file cannot be written, or would replace
        another.
    """
    require_gradients(engine)
    colours = require_theme(theme)
    path = require_output(output, PICTURE, [os.fspath(head)])
    partial = require_output(path.with_suffix(".partial.json"), _JOURNAL)
    if isinstance(data, (str, os.PathLike)):
        require_outside(path, os.fspath(data))
        data = load_dataset(data, **(reading or {}))
    all_levels_of(budgets)
    n_images, seed = (
        require_whole("n_images", n_images, 1),
        require_seed("random_state", random_state),
    )
    if split is not None and not is_one_of(split, ("all", *SPLITS)):
        raise UsageError(f"unknown split {received(split)}: expected {', '.join(SPLITS)} or all")
    require_labels(data.labels, data.source)
    loaded = as_head(head)
    loading = {name: settings[name] for name in _OF_EXTRACTION & settings.keys()}
    loading |= {"engine": engine, "precision": precision}
    paths, labels, name, n_split = _sample(data, loaded, n_images, split, seed, loading)

    def draw(found: Robustness) -> None:
        n = found.images
        silent = None
        if found.unknown is not None:
            silent = [(each.right + (each.flipped_unknown or 0)) / n for each in found.at]
        with writing_file(path):
            draw_robustness(
                [each.levels for each in found.at],
                [each.accuracy for each in found.at],
                path,
                f"Accuracy under {found.method.upper()}, {n:,} of {counted(n_split, 'image')} "
                f"({name})",
                silent=silent,
                theme=colours,
            )

    # Drawn before what was found so far is removed: a full disk loses no measurement.
    found = robustness(
        *(paths, labels, loaded),
        budgets=budgets,
        resume=partial,
        on_found=draw,
        random_state=seed,
        engine=engine,
        precision=precision,
        **settings,
    )
    return Curve(found, path, name, n_split, tuple(sorted(set(labels))), loaded.classes)


def _sample(
    dataset: Dataset,
    head: Head,
    n_images: int,
    split: str | None,
    seed: int,
    loading: dict[str, Any],
) -> tuple[list[str], list[str], str, int]:
    """Paths and labels of a sample, the split that it is from, and how many images that has."""
    table, _ = extract_for_head(dataset, head, **loading)
    table.require_rows()
    decided = split_table(table)
    if split is None:
        counts = decided.counts()
        split = next((name for name in ("test", "validation") if counts[name]), "test")
    rows = table.weighed if split == "all" else decided.rows(split)
    if not len(rows):
        present = ", ".join(f"{name} ({n})" for name, n in decided.counts().items() if n)
        raise DatasetError(
            f"no images in the split {split!r}; there are {present or 'none'}: choose one with "
            f"--split, or --split all"
        )
    drawn = np.random.default_rng(seed).permutation(rows)[:n_images]
    paths, labels = (
        [str(table.paths[row]) for row in drawn],
        [str(label) for label in table.labels[drawn]],
    )
    return paths, labels, split, len(rows)


def _answered(prediction: Prediction) -> Answered:
    return Answered(prediction.ranked, prediction.unknown)
