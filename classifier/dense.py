"""The dense head: a small neural network on standardised transfer values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from ..arguments import require_seed, require_whole
from ..errors import UsageError
from ..native_stderr import silent_stderr
from .dense_training import Epoch, NetworkSettings, Rows, Training
from .estimator import LayeredHead
from .groups import require_groups, units_of
from .layers import Layers, standardisation
from .settings import (
    NETWORK,
    SigmoidError,
    class_weights,
    require_one_of,
    require_share,
)
from .weights import require_sample_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..rows_on_disk import Rows as AnyRows

PRECISIONS = ("auto", "float32", "bfloat16")


class DenseHead(LayeredHead):
    """Dense layers with batch normalisation, ReLU and dropout, and a softmax; trained by Adam.

    Training stops when the loss on held-out rows has not fallen for `patience` epochs, and the
    weights of the best epoch are kept. Batch normalisation (Ioffe & Szegedy, 2015) is folded
    into the layers afterwards, so that predicting is a few matrix products in NumPy.

    Rows are standardised a few batches at a time, and no copy of them all is made: training
    needs little more memory than the rows.

    Parameters
    ----------
    hidden
        Units of each hidden layer; a whole number is one layer, and () none.
    batch_norm
        Normalise each hidden layer before its ReLU.
    dropout
        Share of hidden units that are dropped in training, 0 to below 1.
    output
        ``softmax``: one output per class. ``sigmoid``, for two classes: one output, the logit of
        the second. Both end in `layers_` with one output per class.
    class_weight
        None; ``balanced``: rows of a class weigh by the inverse of its frequency; or a dict of
        class names and weights, in which a missing class weighs 1. They weigh the same in
        training and in the loss that decides when to stop.
    learning_rate
        Of Adam (Kingma & Ba, 2015) with 64 rows per step; the one in use grows with the square
        root of `batch_size`, so that large steps need no more epochs than small ones.
    batch_size
        Rows per step; all of them where there are fewer. ``auto``: about a twelfth of the rows,
        32 to 1,024, since large steps compute faster and small data needs several.
    precision
        What the hidden layers are multiplied in: ``float32``, or ``bfloat16``, with the weights
        and all else in float32. ``auto``: bfloat16 where the CPU has matrix units for it (AMX)
        and there is enough to do.
    max_epochs, patience
        Longest training, and how long it goes on without improvement.
    validation_fraction
        Share of the rows held out for stopping where `fit` is given none.
    random_state
        Seed of initial weights, dropout, shuffling and the held-out rows.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    history_ : list of Epoch
    best_epoch_ : int
        Counted from 1.
    layers_ : Layers
        What predicts; float32.
    n_features_in_ : int
    """

    kind = "dense"

    def __init__(
        self,
        hidden: Sequence[int] | int = (256,),
        batch_norm: bool = True,
        dropout: float = 0.5,
        output: str = "softmax",
        class_weight: str | Mapping[Any, float] | None = None,
        learning_rate: float = 1e-3,
        batch_size: int | str = "auto",
        precision: str = "auto",
        max_epochs: int = 100,
        patience: int = 8,
        validation_fraction: float = 0.15,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.output = output
        self.class_weight = class_weight
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.precision = precision
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        validation: tuple[Any, ...] | None = None,
        on_epoch: Callable[[Epoch], object] = lambda epoch: None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> DenseHead:
        """Train.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        validation
            Rows and labels, and what each row weighs or not, that decide when to stop; rows of
            classes that `y` has not are left out. Without them a share of `X` is held out.
        on_epoch
            Called after every epoch.
        sample_weight
            float, (n,), ≥ 0: what the loss of each row is multiplied by. Batch normalisation counts
            rows, and one of weight 0 is not there. None: all weigh 1.
        groups
            (n,): rows of one group, such as views of an image, are held out together where there is
            no `validation`; None: each is on its own.

        Raises
        ------
        UsageError
            When a parameter is out of range, the rows cannot be trained on, or no validation row
            has a class that is trained.
        """
        settings = self._checked_settings()
        X, codes, weights = self._check_training_rows(X, y, sample_weight)
        groups = require_groups(groups, sample_weight, y)
        if self.output == "sigmoid" and len(self.classes_) > 2:
            raise SigmoidError(len(self.classes_))
        random = check_random_state(self.random_state)
        standard = standardisation(X, weights)
        of_class = class_weights(self.class_weight, self.classes_, codes, weights)
        weights = (weights * of_class[codes]).astype(np.float32)
        if validation is None:
            chosen, held_out = self._hold_out(codes, groups, random)
            train = Rows(X, codes, weights, chosen, *standard)
            validating = Rows(X, codes, weights, held_out, *standard)
        else:
            train = Rows(X, codes, weights, np.arange(len(X)), *standard)
            validating = Rows(*self._known(of_class, *validation), *standard)
        with silent_stderr():
            training = Training(settings, train, validating, len(self.classes_), random)
        self.history_ = training.run(on_epoch)
        self.best_epoch_ = 1 + int(np.argmin([epoch.validation_loss for epoch in self.history_]))
        self.layers_ = Layers(*standard, *training.folded_layers())
        return self

    def training_facts(self) -> dict[str, Any]:
        """The best epoch, counted from 1, and the losses and accuracies of each."""
        return {"best_epoch": self.best_epoch_, "history": [*map(list, self.history_)]}

    def _checked_settings(self) -> NetworkSettings:
        require_share("validation_fraction", self.validation_fraction)
        if self.random_state is not None and not isinstance(
            self.random_state, np.random.RandomState
        ):
            require_seed("random_state", self.random_state)
        return NetworkSettings(
            **{name: require(getattr(self, name)) for name, require in NETWORK.items()},
            precision=require_one_of("precision", self.precision, PRECISIONS),
            patience=require_whole("patience", self.patience, 1),
        )

    def _hold_out(self, codes: np.ndarray, groups: np.ndarray | None, random: Any) -> Any:
        units, codes = units_of(codes, groups)
        every = np.arange(len(codes))
        n_held_out = math.ceil(self.validation_fraction * len(codes))
        n_classes = len(self.classes_)
        counts = np.bincount(codes)
        if counts.min() < 2 or n_held_out < n_classes or len(codes) - n_held_out < n_classes:
            return [np.arange(len(units))] * 2  # too few to hold any out: stop on the training loss
        parts = train_test_split(every, test_size=n_held_out, stratify=codes, random_state=random)
        return parts if groups is None else [np.flatnonzero(np.isin(units, part)) for part in parts]

    def _known(
        self, of_class: np.ndarray, X: Any, y: Any, sample_weight: Any = None
    ) -> tuple[AnyRows, np.ndarray, np.ndarray, np.ndarray]:
        X, y = self._rows_to_predict(X, dtype=np.float32), np.asarray(y)
        weights = require_sample_weight(sample_weight, len(X))
        known = np.isin(y, self.classes_) & (weights > 0)
        if not known.any():
            raise UsageError("no validation row has a class that is trained")
        codes = np.minimum(np.searchsorted(self.classes_, y), len(of_class) - 1)
        weights = (weights * of_class[codes]).astype(np.float32)
        return X, codes, weights, np.flatnonzero(known)
