"""How well images of none of the classes are found, by leaving out one class after the other.

    python benchmarks/unknown.py photos/ --extractor mobilenet_v2

For each class, a logistic head is trained on the train split of all others. Every way of scoring
then ranks images: the validation split of the known classes against the class that was left out,
of which the head has seen nothing (its validation split, and all of it). The table holds AUROC, the
chance that of a known and an unknown image the known one scores higher: 0.5 is a coin.

Compared are what a head says by itself (probability, logit, energy, entropy, log odds), distances
to training rows (nearest, tenth nearest, Mahalanobis, and that relative to all rows), what rows
have outside of the usual directions (residual of the principal components, ViM), the linear
discriminant against the mean of all classes, and bottlebank's rule with its distance alone and with
other weights of its two signs. Where a way has settings, they are the usual ones, and none is
tuned to a class that is left out.

The second table is what the rule does at the requested coverage: its threshold comes from
one half of the known validation images, and coverage is counted on the other half, both ways round;
with, as the peer, the same threshold rule on the plain probability.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

import bottlebank as bb
from bottlebank.classifier import Layers
from bottlebank.classifier.layers import softmax
from bottlebank.classifier.open_set import fit_unknown
from bottlebank.datasets.splits import TRAIN, VALIDATION, split


class Fold:
    """A head that knows all classes but one, and what the ways of scoring need of its rows."""

    def __init__(self, rows: np.ndarray, codes: np.ndarray, layers: Layers) -> None:
        self.rows, self.codes, self.layers = rows, codes, layers
        self.train_logits = layers.logits(rows)

    @functools.cached_property
    def within(self) -> tuple[np.ndarray, np.ndarray]:
        """Class means (k, d) and the precision (d, d) of rows around them."""
        means, covariance = self._spread
        return means, np.linalg.inv(covariance)

    @functools.cached_property
    def total(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (1, d) of all rows and the precision around it.

        Shrunk like that within the classes, and more by what the means add: shrunk on its own, the
        difference of the two distances is mostly that of two shrinkages.
        """
        means, covariance = self._spread
        middle = self.rows.mean(axis=0, keepdims=True)
        between = (means - middle).T @ (
            (means - middle) * np.bincount(self.codes)[:, None] / len(self.rows)
        )
        return middle, np.linalg.inv(covariance + between)

    @functools.cached_property
    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows.astype(np.float64)
        means = np.array([rows[self.codes == code].mean(axis=0) for code in np.unique(self.codes)])
        return means, ledoit_wolf(rows - means[self.codes], assume_centered=True)[0]

    @functools.cached_property
    def axes(self) -> np.ndarray:
        """(d, d): principal directions of the rows in columns, from least to most variance."""
        return np.linalg.eigh(np.cov(self.rows.T))[1]


Way = Callable[[Fold, np.ndarray, np.ndarray], np.ndarray]


def max_probability(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return softmax(logits).max(axis=1)


def max_logit(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return logits.max(axis=1)


def energy(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return logsumexp(logits, axis=1)


def entropy(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    probabilities = softmax(logits)
    return (probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)


def log_odds(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    ascending = np.sort(logits, axis=1)
    return ascending[:, -1] - logsumexp(ascending[:, :-1], axis=1)


def neighbour(fold: Fold, rows: np.ndarray, logits: np.ndarray, nth: int = 1) -> np.ndarray:
    return np.sort(unit(rows) @ unit(fold.rows).T, axis=1)[:, -nth]


def tenth_neighbour(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return neighbour(fold, rows, logits, 10)


def mahalanobis(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Lee et al., 2018."""
    return -squares(rows, *fold.within).min(axis=1)


def relative_mahalanobis(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Ren et al., 2021."""
    return mahalanobis(fold, rows, logits) + squares(rows, *fold.total)[:, 0]


def linear_discriminant(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    means, precision = fold.within
    middle = means.mean(axis=0, keepdims=True)
    return mahalanobis(fold, rows, logits) + squares(rows, middle, precision)[:, 0]


def residual(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """What is left of a row without the 300 main directions (fewer where there are not enough)."""
    kept = min(300, fold.axes.shape[1] // 2)
    return -np.linalg.norm((rows - fold.rows.mean(axis=0)) @ fold.axes[:, :-kept], axis=1)


def vim(fold: Fold, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Wang et al., 2022: the residual as one more logit, scaled to be as large as the greatest."""
    scale = -fold.train_logits.max(axis=1).mean() / residual(fold, fold.rows, logits).mean()
    return energy(fold, rows, logits) + scale * residual(fold, rows, logits)


WAYS: dict[str, Way] = {
    "maximum probability": max_probability,
    "maximum logit": max_logit,
    "energy": energy,
    "entropy": entropy,
    "log odds": log_odds,
    "nearest row (cosine)": neighbour,
    "10th nearest row (cosine)": tenth_neighbour,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "linear discriminant": linear_discriminant,
    "principal residual": residual,
    "ViM": vim,
}
WEIGHTS = {
    "bottlebank": 1.0,
    "- its distance × 1/2": 0.5,
    "- its distance × 2": 2.0,
    "- its distance alone": 1e6,
}


class LeftOut(NamedTuple):
    """What came of leaving out a class."""

    against_validation: dict[str, float]
    """AUROC of each way: known validation images against those of the class."""
    against_all: dict[str, float]
    """The same against all images of the class."""
    shares: np.ndarray
    """(2, 2): for bottlebank and the plain probability, the share of known images that stay
    answered and of unknown ones that are called so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a dataset, as for `bottlebank extract`")
    parser.add_argument("--extractor", default="inception_v3")
    parser.add_argument("--cache", help="where the rows are kept (default: the user's cache)")
    parser.add_argument("--coverage", type=float, default=0.95)
    arguments = parser.parse_args()
    dataset = bb.load_dataset(arguments.data)
    table = bb.extract(dataset, arguments.extractor, cache=arguments.cache)
    labels = np.asarray(table.labels)
    splits = split(table.contents, table.labels, table.splits).of_row
    found = {
        name: leave_out(name, table.features, labels, splits, arguments.coverage)
        for name in sorted(set(labels.tolist()))
    }
    print(f"{len(labels)} images, {arguments.extractor}; AUROC, mean over the class left out")
    print(f"{'':26}validation   all   all images of " + " ".join(f"{n[:6]:>6}" for n in found))
    for way in [*WAYS, *WEIGHTS]:
        validation = np.mean([left.against_validation[way] for left in found.values()])
        every = [left.against_all[way] for left in found.values()]
        figures = " ".join(f"{value:6.2f}" for value in every)
        print(f"{way:26}{validation:10.3f} {np.mean(every):5.3f} {'':14} {figures}")
    print(f"requested coverage {arguments.coverage}; bottlebank, and the plain probability")
    print(f"{'left out':26}known and answered   unknown and caught")
    shares = {name: left.shares for name, left in found.items()}
    shares["mean"] = np.mean([*shares.values()], axis=0)
    for name, ((answered, caught), (plainly_answered, plainly_caught)) in shares.items():
        print(
            f"{name:26}{answered:8.3f} {plainly_answered:8.3f}{caught:13.3f} {plainly_caught:8.3f}"
        )


def leave_out(
    name: str, features: np.ndarray, labels: np.ndarray, splits: np.ndarray, coverage: float
) -> LeftOut:
    train = (labels != name) & (splits == TRAIN)
    known = np.flatnonzero((labels != name) & (splits == VALIDATION))
    novel = np.flatnonzero(labels == name)
    in_validation = splits[novel] == VALIDATION
    head = bb.LogisticHead().fit(features[train], labels[train])
    codes = np.searchsorted(head.classes_, labels[train])
    fold = Fold(features[train], codes, head.layers_)
    logits = head.layers_.logits(features)
    halves = np.array_split(np.random.default_rng(0).permutation(known), 2)

    aurocs: dict[str, list[tuple[float, float]]] = {way: [] for way in [*WAYS, *WEIGHTS]}

    def evaluate(
        way: str, scores_of: Callable[[np.ndarray], np.ndarray], among: np.ndarray
    ) -> None:
        familiar, strange = scores_of(among), scores_of(novel)
        aurocs[way].append((auroc(familiar, strange[in_validation]), auroc(familiar, strange)))

    for way, score in WAYS.items():
        evaluate(way, lambda at, score=score: score(fold, features[at], logits[at]), known)
    shares = []
    for chosen, evaluated in (halves, halves[::-1]):
        rule = fit_unknown(head.layers_, features[train], codes, features[chosen], coverage)
        if rule is None:
            raise SystemExit(f"{len(chosen)} validation images are too few for {coverage}")
        for way, weight in WEIGHTS.items():
            weighed = rule._replace(distance_scale=rule.distance_scale / weight)
            evaluate(way, lambda at, r=weighed: r.scores(features[at], logits[at]), evaluated)
        probabilities = softmax(logits).max(axis=1)
        rank = int((1 - coverage) * (len(chosen) + 1))
        threshold = np.sort(probabilities[chosen])[rank - 1]
        shares.append(
            [
                [1 - unknown[evaluated].mean(), unknown[novel].mean()]
                for unknown in (rule.is_unknown(features, logits), probabilities < threshold)
            ]
        )
    means = {way: np.mean(areas, axis=0) for way, areas in aurocs.items()}
    return LeftOut(
        {way: mean[0] for way, mean in means.items()},
        {way: mean[1] for way, mean in means.items()},
        np.mean(shares, axis=0),
    )


def auroc(familiar: np.ndarray, strange: np.ndarray) -> float:
    """Of two sets of scores, the first of which should be the higher."""
    known = np.repeat([True, False], [len(familiar), len(strange)])
    return float(roc_auc_score(known, np.concatenate([familiar, strange])))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def squares(rows: np.ndarray, centres: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """(n, k): squared Mahalanobis distances of rows (n, d) from centres (k, d)."""
    away, halfway = rows - centres.mean(axis=0), centres - centres.mean(axis=0)
    own = np.einsum("nd,nd->n", away @ precision, away)
    centred = np.einsum("kd,kd->k", halfway @ precision, halfway)
    return own[:, None] - 2 * (away @ precision) @ halfway.T + centred


if __name__ == "__main__":
    main()
