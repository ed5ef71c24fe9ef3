"""Which head is trained, and how: one value for training, comparing and cross-validating."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..arguments import received, require_seed
from ..classifier.fitting import fit_head
from ..classifier.registry import HEADS, heads_with, make_head, require_heads
from ..classifier.settings import NETWORK, SigmoidError, require_class_weight, require_share
from ..datasets.splits import TRAIN
from ..errors import HeadFileError, ParameterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from ..classifier import Head
    from ..classifier.estimator import HeadEstimator
    from ..classifier.layers import Fitted
    from ..datasets import Dataset
    from ..rows_on_disk import Rows


class HeadSettingError(ParameterError):
    """A setting that a kind of head does not take; `heads` are those that do."""

    def __init__(self, name: str, value: object, kind: str) -> None:
        self.heads = heads_with(name)
        some = " or ".join(self.heads)
        super().__init__(
            name, f"is {received(value)}, which a {kind} head does not take: train a {some} head"
        )


@dataclass(frozen=True)
class HeadSettings:
    """The settings of `train_head`, checked.

    Raises
    ------
    UsageError
        When the kind is unknown, or a setting is out of range or not one of that kind.
    """

    kind: str = "logistic"
    """A name in the registry of heads."""
    class_weight: str | Mapping[str, float] | None = None
    coverage: float = 0.95
    """Share of validation images that are to be answered."""
    seed: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    """Those of `settings.NETWORK` that are not the default of the kind, which None means too."""

    def __post_init__(self) -> None:
        require_heads([self.kind])
        own = HEADS[self.kind].settings
        chosen = {name: value for name, value in self.network.items() if value is not None}
        for name, value in {"class_weight": self.class_weight, **chosen}.items():
            if value is not None and name not in own:
                raise HeadSettingError(name, value, self.kind)
        checked = {name: NETWORK[name](value) for name, value in chosen.items()}
        object.__setattr__(self, "network", checked)
        # Numbers of NumPy are none of JSON, in which a head file keeps them.
        object.__setattr__(self, "coverage", require_share("coverage", self.coverage))
        object.__setattr__(self, "seed", require_seed("seed", self.seed))

    def require_outputs(self, dataset: Dataset) -> None:
        """Raise SigmoidError where the head would have too few, before any image is extracted."""
        if self.network.get("output") != "sigmoid":
            return
        weights = dataset.weights or [1.0] * len(dataset)
        trained = {
            label
            for label, split, weight in zip(dataset.labels, dataset.splits, weights, strict=True)
            if weight > 0 and split in (None, TRAIN)
        }
        if len(trained) > 2:
            raise SigmoidError(len(trained))

    @classmethod
    def of(cls, head: Head) -> HeadSettings:
        """Those that a head was trained with, by its layers and its training summary.

        Raises
        ------
        HeadFileError
            When the summary, which is any JSON, does not hold settings.
        """
        own = HEADS[head.kind].settings
        weight, seed = head.training.get("class_weight"), head.training.get("seed", 0)
        network = {name: head.training.get(name) for name in NETWORK if name in own}
        if "hidden" in own:
            network["hidden"] = [kernel.shape[1] for kernel in head.layers.kernels[:-1]]
        try:
            require_class_weight(weight)
            return cls(head.kind, class_weight=weight, seed=seed, network=network)
        except UsageError as error:
            raise HeadFileError(
                f"how the head {head.version} was trained is not in its training summary "
                f"({error}): train it again"
            ) from error

    def fit(
        self,
        features: Rows,
        labels: np.ndarray,
        *,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        validation: tuple[Any, ...] | None = None,
        on_epoch: Callable[[Any], object] = lambda epoch: None,
    ) -> Fitted:
        """Fit the layers of a head to rows, as `fit_head` does."""
        return fit_head(
            self.kind,
            features,
            labels,
            sample_weight=sample_weight,
            groups=groups,
            validation=validation,
            on_epoch=on_epoch,
            **self._own(),
        )

    def estimator(self, classes: Sequence[str]) -> HeadEstimator:
        """An estimator that is not fitted, for rows of some of the classes."""
        own = self._own()
        weight = self.class_weight
        if not isinstance(weight, str | None):
            own["class_weight"] = {name: weight[name] for name in weight if name in classes}
        return make_head(self.kind, **own)

    def as_dict(self) -> dict[str, Any]:
        """JSON values for the training summary of a head, whose layers say what is hidden."""
        weight = self.class_weight
        if weight is not None and not isinstance(weight, str):
            weight = {str(name): float(value) for name, value in weight.items()}
        network = {name: value for name, value in self.network.items() if name != "hidden"}
        return {"seed": self.seed, "class_weight": weight, **network}

    def _own(self) -> dict[str, Any]:
        return {"class_weight": self.class_weight, "random_state": self.seed, **self.network}
