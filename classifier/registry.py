"""The heads: each is a module, and a line of `HEADS` that help texts, errors and commands read.

Reading it imports no library, and none of the heads.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import is_one_of, listed, received
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .estimator import HeadEstimator


class HeadEntry(NamedTuple):
    """What is known of a head without importing it."""

    estimator: str
    """``module:class`` of its estimator; a module that begins with a dot is of this package."""
    in_words: str
    """What it is, for help texts."""
    settings: Sequence[str] = ("class_weight", "random_state")
    """Those of ``class_weight``, ``random_state`` and `settings.NETWORK` that its constructor
    takes."""
    not_saved: str = ""
    """Why no head file holds it; empty for a head that ends in `layers_`."""
    from_disk: bool = False
    """Whether its `fit` takes `RowsOnDisk`; the rows of any other have to fit into memory."""
    fit: str = ""
    """``module:function`` that trains it without scikit-learn, whose import takes as long as
    training some heads; see `fitting`. Empty: the estimator is fitted."""

    @property
    def class_name(self) -> str:
        """Of its estimator."""
        return self.estimator.partition(":")[2]


HEADS: dict[str, HeadEntry] = {
    "logistic": HeadEntry(
        ".logistic:LogisticHead",
        "logistic regression",
        from_disk=True,
        fit=".logistic_solver:fit_without_scikit_learn",
    ),
    "dense": HeadEntry(
        ".dense:DenseHead",
        "a small neural network",
        from_disk=True,
        settings=(
            "class_weight",
            "random_state",
            "hidden",
            "batch_norm",
            "dropout",
            "output",
            "learning_rate",
            "batch_size",
            "max_epochs",
        ),
    ),
    "knn": HeadEntry(
        ".nearest:NearestHead",
        "the nearest neighbours",
        settings=(),
        not_saved="keeps every training row",
    ),
}


def head_names() -> list[str]:
    """Every head."""
    return list(HEADS)


def saved_head_names() -> list[str]:
    """The heads that `train_head` trains and a head file holds."""
    return [name for name, head in HEADS.items() if not head.not_saved]


def heads_with(setting: str) -> list[str]:
    """The heads that `train_head` trains with a setting, such as ``hidden``."""
    return [name for name in saved_head_names() if setting in HEADS[name].settings]


def require_saved_head(name: Any) -> HeadEntry:
    """The entry of a head that can be saved.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    known = saved_head_names()
    if not is_one_of(name, known):
        raise UsageError(f"unknown head {received(name)}: expected {' or '.join(known)}")
    return HEADS[name]


def require_heads(names: Iterable[str]) -> list[str]:
    """The names; UsageError unless there is at least one and each is a head's."""
    found = listed(names)
    if not found or not all(is_one_of(name, HEADS) for name in found):
        raise UsageError(
            f"expected a list of heads from {', '.join(HEADS)}, received "
            f"{received(names if found is None else found)}"
        )
    return found


def make_head(name: str, **settings: Any) -> HeadEstimator:
    """An estimator that is not fitted; settings that it does not have are left out."""
    head = HEADS[name]
    own = {key: value for key, value in settings.items() if key in head.settings}
    return resolve(head.estimator)(**own)


def resolve(address: str) -> Any:
    """What stands at ``module:name``, imported."""
    module, _, name = address.partition(":")
    return getattr(import_module(module, __package__), name)
