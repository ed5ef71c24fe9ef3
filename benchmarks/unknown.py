"""How well images of none of the classes are found, by leaving out one class after the other.

    python benchmarks/unknown.py photos/ --extractor mobilenet_v2 --strangers

For each class, a logistic head is trained on the train split of all others. Every way of scoring
then ranks images: the validation split of the known classes against the class that was left out,
of which the head has seen nothing (its validation split, and all of it). The table holds AUROC, the
chance that of a known and an unknown image the known one scores higher: 0.5 is a coin.

Compared are what a head says by itself (probability, logit, energy, entropy, log odds), distances
to training rows (nearest, tenth nearest, Mahalanobis, and that relative to all rows), what rows
have outside of the usual directions (residual of the principal components, ViM), the linear
discriminant against the mean of all classes, and bottlebank's rule with its distance alone, with
other weights of its signs, and as it was before odds had a limit and ranges counted. Where a way
has settings, they are the usual ones, and none is tuned to a class that is left out.

The second table is what the rule does at the requested coverage: its threshold comes from
one half of the known validation images, and coverage is counted on the other half, both ways round;
with, as the peers, the same threshold on the plain probability and on the rule as it was.

With ``--strangers`` a third table shows the same for images that resemble nothing in training: of a
head on all classes, and of one on scikit-learn's handwritten digits, against noise, flat colours,
charts, the two photographs that come with scikit-learn, and the images of the other head.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score
from strangers import write_strangers

import bottlebank as bb
from bottlebank.classifier import Layers
from bottlebank.classifier.layers import softmax
from bottlebank.classifier.open_set import UnknownRule, fit_unknown
from bottlebank.datasets.digits import write_digits
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


def earlier(rule: UnknownRule) -> UnknownRule:
    """The rule before odds had a limit and ranges counted."""
    return rule._replace(odds_limit=np.inf, standardisation=None)


def weighed(rule: UnknownRule, weight: float) -> UnknownRule:
    """With another weight of what is taken from the odds."""
    return rule._replace(
        distance_scale=rule.distance_scale / weight, range_scale=rule.range_scale / weight
    )


RULES: dict[str, Callable[[UnknownRule], UnknownRule]] = {
    "bottlebank": lambda rule: rule,
    "- as it was": earlier,
    "- no ranges": lambda rule: rule._replace(standardisation=None),
    "- its distance × 1/2": lambda rule: weighed(rule, 0.5),
    "- its distance × 2": lambda rule: weighed(rule, 2),
    "- its distance alone": lambda rule: weighed(earlier(rule), 1e6),
}
SHOWN = ("bottlebank", "as it was", "probability")
"""What the tables at a requested coverage compare."""


class LeftOut(NamedTuple):
    """What came of leaving out a class."""

    against_validation: dict[str, float]
    """AUROC of each way: known validation images against those of the class."""
    against_all: dict[str, float]
    """The same against all images of the class."""
    shares: np.ndarray
    """(3, 2): for each of `SHOWN`, the share of known images that stay answered and of unknown ones
    that are called so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a dataset, as for `bottlebank extract`")
    parser.add_argument("--extractor", default="inception_v3")
    parser.add_argument("--cache", help="where the rows are kept (default: the user's cache)")
    parser.add_argument("--coverage", type=float, default=0.95)
    parser.add_argument(
        "--strangers", action="store_true", help="also images that resemble nothing in training"
    )
    arguments = parser.parse_args()
    table = extract(arguments.data, arguments)
    labels, splits = np.asarray(table.labels), splits_of(table)
    found = {
        name: leave_out(name, table.features, labels, splits, arguments.coverage)
        for name in sorted(set(labels.tolist()))
    }
    print(f"{len(labels)} images, {arguments.extractor}; AUROC, mean over the class left out")
    print(f"{'':26}validation   all   all images of " + " ".join(f"{n[:6]:>6}" for n in found))
    for way in [*WAYS, *RULES]:
        validation = np.mean([left.against_validation[way] for left in found.values()])
        every = [left.against_all[way] for left in found.values()]
        figures = " ".join(f"{value:6.2f}" for value in every)
        print(f"{way:26}{validation:10.3f} {np.mean(every):5.3f} {'':14} {figures}")
    print(f"requested coverage {arguments.coverage}: known and answered, unknown and caught")
    print(f"{'left out':26}" + "   ".join(f"{name:>13}" for name in SHOWN))
    shares = {name: left.shares for name, left in found.items()}
    shares["mean"] = np.mean([*shares.values()], axis=0)
    for name, of_rules in shares.items():
        print(
            f"{name:26}" + "   ".join(f"{known:6.3f} {caught:6.3f}" for known, caught in of_rules)
        )
    if arguments.strangers:
        show_strangers(table, arguments)


def extract(data: str | Path, arguments: argparse.Namespace) -> bb.FeatureTable:
    return bb.extract(bb.load_dataset(data), arguments.extractor, cache=arguments.cache)


def splits_of(table: bb.FeatureTable) -> np.ndarray:
    return split(table.contents, table.labels, table.splits).of_row


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

    aurocs: dict[str, list[tuple[float, float]]] = {way: [] for way in [*WAYS, *RULES]}

    def evaluate(
        way: str, scores_of: Callable[[np.ndarray], np.ndarray], among: np.ndarray
    ) -> None:
        familiar, strange = scores_of(among), scores_of(novel)
        aurocs[way].append((auroc(familiar, strange[in_validation]), auroc(familiar, strange)))

    for way, score in WAYS.items():
        evaluate(way, lambda at, score=score: score(fold, features[at], logits[at]), known)
    shares = []
    for chosen, evaluated in both_ways(known):
        rule = fitted_rule(head.layers_, features[train], codes, features[chosen], coverage)
        for way, changed in RULES.items():
            variant = changed(rule)
            evaluate(way, lambda at, r=variant: r.scores(features[at], logits[at]), evaluated)
        shares.append(
            [
                [(scores[evaluated] >= least).mean(), (scores[novel] < least).mean()]
                for scores in scores_shown(rule, features, logits)
                for least in [threshold(scores[chosen], coverage)]
            ]
        )
    means = {way: np.mean(areas, axis=0) for way, areas in aurocs.items()}
    return LeftOut(
        {way: mean[0] for way, mean in means.items()},
        {way: mean[1] for way, mean in means.items()},
        np.mean(shares, axis=0),
    )


def show_strangers(table: bb.FeatureTable, arguments: argparse.Namespace) -> None:
    """Of heads on the data and on digits: what each makes of images that are neither."""
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits")
        digits = extract(Path(folder) / "digits", arguments)
        write_strangers(Path(folder) / "strangers")
        others = extract(Path(folder) / "strangers", arguments)
    kinds = {str(kind): others.features[others.labels == kind] for kind in np.unique(others.labels)}
    data = Path(arguments.data).name
    print(f"unknown and caught at coverage {arguments.coverage}, and AUROC")
    print(f"{'':26}" + "   ".join(f"{name:>13}" for name in SHOWN))
    for name, known, strangers in (
        (data, table, {**kinds, "digits": digits.features}),
        ("digits", digits, {**kinds, data: table.features}),
    ):
        answered, found = against_strangers(known, strangers, arguments.coverage)
        print(
            f"{name + ': answered':26}" + "   ".join(f"{share:6.3f}       " for share in answered)
        )
        for kind, figures in found.items():
            shown = "   ".join(f"{caught:6.3f} {area:6.3f}" for caught, area in figures)
            print(f"{name + ' head, ' + kind:26}{shown}")


def against_strangers(
    known: bb.FeatureTable, strangers: dict[str, np.ndarray], coverage: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(3,) shares of known images that stay answered; (3, 2) of each kind: caught, and AUROC."""
    labels, splits = np.asarray(known.labels), splits_of(known)
    train = splits == TRAIN
    head = bb.LogisticHead().fit(known.features[train], labels[train])
    layers, codes = head.layers_, np.searchsorted(head.classes_, labels[train])
    answered, found = [], {kind: [] for kind in strangers}
    for chosen, evaluated in both_ways(np.flatnonzero(~train)):
        rule = fitted_rule(layers, known.features[train], codes, known.features[chosen], coverage)
        of_known = scores_shown(rule, known.features, layers.logits(known.features))
        least = [threshold(scores[chosen], coverage) for scores in of_known]
        answered.append([(s[evaluated] >= t).mean() for s, t in zip(of_known, least, strict=True)])
        for kind, rows in strangers.items():
            of_kind = scores_shown(rule, rows, layers.logits(rows))
            found[kind].append(
                [
                    [(strange < t).mean(), auroc(familiar[evaluated], strange)]
                    for strange, familiar, t in zip(of_kind, of_known, least, strict=True)
                ]
            )
    return np.mean(answered, axis=0), {kind: np.mean(two, axis=0) for kind, two in found.items()}


def fitted_rule(
    layers: Layers, rows: np.ndarray, codes: np.ndarray, held_out: np.ndarray, coverage: float
) -> UnknownRule:
    rule = fit_unknown(layers, rows, codes, held_out, coverage)
    if rule is None:
        raise SystemExit(f"{len(held_out)} validation images are too few for {coverage}")
    return rule


def scores_shown(rule: UnknownRule, rows: np.ndarray, logits: np.ndarray) -> list[np.ndarray]:
    """(n,) of each of `SHOWN`."""
    return [
        rule.scores(rows, logits),
        earlier(rule).scores(rows, logits),
        softmax(logits).max(axis=1),
    ]


def threshold(scores: np.ndarray, coverage: float) -> float:
    """As `fit_unknown` chooses it."""
    return float(np.sort(scores)[int((1 - coverage) * (len(scores) + 1) + 1e-9) - 1]) - 1e-9


def both_ways(rows: np.ndarray) -> list[list[np.ndarray]]:
    """Two halves, of which each is once that which thresholds come from."""
    halves = np.array_split(np.random.default_rng(0).permutation(rows), 2)
    return [halves, halves[::-1]]


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
