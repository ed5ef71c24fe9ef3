"""Which head is trained, and how: one value for training, comparing and cross-validating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..arguments import received, require_seed
from ..classifier.fitting import fit_head
from ..classifier.registry import HEADS, heads_with, make_head, require_heads
from ..classifier.settings import require_class_weight, require_share
from ..errors import HeadFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from ..classifier import Head
    from ..classifier.estimator import HeadEstimator
    from ..classifier.layers import Fitted


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
    hidden: Sequence[int] | int | None = None
    """Units of each hidden layer; None for the default of the kind."""
    class_weight: str | Mapping[str, float] | None = None
    coverage: float = 0.95
    """Share of validation images that are to be answered."""
    seed: int = 0

    def __post_init__(self) -> None:
        require_heads([self.kind])
        own = HEADS[self.kind].settings
        if self.hidden is not None and "hidden" not in own:
            some = " or ".join(heads_with("hidden"))
            raise UsageError(
                f"hidden is {received(self.hidden)}, but only a {some} head has hidden layers"
            )
        if self.class_weight is not None and "class_weight" not in own:
            some = " or ".join(heads_with("class_weight"))
            raise UsageError(
                f"class_weight is {received(self.class_weight)}, which a {self.kind} head does "
                f"not take: train a {some} head"
            )
        # Numbers of NumPy are none of JSON, in which a head file keeps them.
        object.__setattr__(self, "coverage", require_share("coverage", self.coverage))
        object.__setattr__(self, "seed", require_seed("seed", self.seed))

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
        hidden = [kernel.shape[1] for kernel in head.layers.kernels[:-1]]
        try:
            require_class_weight(weight)
            return cls(
                head.kind,
                hidden=hidden if "hidden" in own else None,
                class_weight=weight,
                seed=seed,
            )
        except UsageError as error:
            raise HeadFileError(
                f"how the head {head.version} was trained is not in its training summary "
                f"({error}): train it again"
            ) from error

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        *,
        sample_weight: np.ndarray | None = None,
        validation: tuple[Any, ...] | None = None,
        on_epoch: Callable[[Any], object] = lambda epoch: None,
    ) -> Fitted:
        """Fit the layers of a head to rows, as `fit_head` does."""
        return fit_head(
            self.kind,
            features,
            labels,
            sample_weight=sample_weight,
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
        """JSON values for the training summary of a head, which has the others elsewhere."""
        weight = self.class_weight
        if weight is not None and not isinstance(weight, str):
            weight = {str(name): float(value) for name, value in weight.items()}
        return {"seed": self.seed, "class_weight": weight}

    def _own(self) -> dict[str, Any]:
        own = {"class_weight": self.class_weight, "random_state": self.seed}
        return own if self.hidden is None else {**own, "hidden": self.hidden}
