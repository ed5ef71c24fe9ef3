"""What other labels do to a head: the same images, with the labels before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..classifier.metrics.comparison import Paired, paired
from ..datasets.splits import VALIDATION
from ..formatting import counted, percent
from .evaluate import is_right
from .split import split_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..extraction.feature_table import FeatureTable
    from ..extraction.relabelling import Relabelled
    from .trained import Trained


def effect_of(
    changes: Relabelled, trained: Trained, train: Callable[[FeatureTable], Trained]
) -> Paired | None:
    """Compare a head with one that is trained on the labels before, on the same images.

    Parameters
    ----------
    changes
        Whose table the head was trained on.
    trained
        The head, with its split.
    train
        Trains a head of the same kind and settings on another table.

    Returns
    -------
    Paired or None
        On the images that are in the validation split with both labels, by the labels after:
        ``before`` is the head of the labels before. None where no label has changed, or there is
        no such image, or no head before, since there were fewer than two classes.
    """
    rows = np.flatnonzero(changes.before != "")
    old = changes.table.some(rows).with_labels(changes.before[rows])
    if not changes.n_changed or len(set(old.labels.tolist())) < 2:
        return None
    held_out = set(trained.split.rows(VALIDATION).tolist())
    old_held_out = set(rows[split_table(old).rows(VALIDATION)].tolist())
    both = np.array(sorted(held_out & old_held_out), int)
    if not len(both):
        return None
    was = train(old).head
    return paired(*(is_right(head, changes.table, both) for head in (was, trained.head)))


def in_words(found: Paired) -> str:
    """One line."""
    return (
        f"on {counted(found.images, 'validation image')}, accuracy {percent(found.before)} with "
        f"the labels before, {percent(found.after)} with these: {found.gained} gained, "
        f"{found.lost} lost, p = {found.p_value:.2g}"
    )
