"""Wrong labels that `bottlebank audit` finds, where it is known which labels are wrong.

    python benchmarks/audit.py clothing/ --extractor efficientnet_lite0

5 % of the labels of the training photographs are replaced by another class, drawn at random, with
five seeds; those of the validation photographs stay. Of each seed:

found       share of the replaced labels among the first 10 % of the rows of `labels.csv`
right       share of those for which the suggested label is the one that was there before
cleanlab    the same two figures with cleanlab's `find_label_issues` on scikit-learn's predictions
            out of fold (5 folds), where both are installed: its issues in its order, then the rest
accuracy    of a logistic head on the validation photographs: trained on the labels as they were,
            with the replaced ones, and after the first suggestions of the file, of 5 % of the rows,
            were accepted unseen
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.extraction import FeatureTable
from bottlebank.training.head_settings import HeadSettings


def main() -> None:
    parser = argparse.ArgumentParser(description="Labels that were replaced, and found again.")
    parser.add_argument("data", metavar="DATA", help="with train and validation folders")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache")
    given = parser.parse_args()
    table = bb.extract(given.data, given.extractor, cache=given.cache)
    splits = np.array([str(split) for split in table.splits])
    train = table.some(np.flatnonzero(splits == "train"))
    validation = table.some(np.flatnonzero(splits == "validation"))
    print(machine())
    print(f"{len(train)} training photographs, {len(validation)} for validation")
    print("| seed | found | right | cleanlab found | right | accuracy clean | flipped | mended |")
    print("|---|---|---|---|---|---|---|---|")
    figures = []
    for seed in range(given.seeds):
        figures.append(measure(train, validation, given.share, seed))
        print(f"| {seed} | {' | '.join(f'{value:.3f}' for value in figures[-1])} |", flush=True)
    means = np.mean(figures, axis=0)
    print(f"| mean | {' | '.join(f'{value:.3f}' for value in means)} |")


def measure(
    train: FeatureTable, validation: FeatureTable, share: float, seed: int
) -> tuple[float, ...]:
    clean = train.labels
    flipped, wrong = with_wrong_labels(clean, share, seed)
    found = bb.audit(train.with_labels(flipped), include_test=True, progress=False)
    n_first = len(clean) // 10
    ours = figures_of(found.order[:n_first], np.array(found.suggested), clean, wrong)
    peer = (np.nan, np.nan)
    if find_spec("cleanlab") and find_spec("sklearn"):
        peer = figures_of(*by_cleanlab(train.features, flipped, n_first), clean, wrong)
    mended = flipped.copy()
    suggested = np.array(found.suggested)
    rows = [row for row in found.order.tolist() if suggested[row]][: round(share * len(clean))]
    mended[rows] = suggested[rows]
    accuracies = [
        accuracy(train.features, labels, validation) for labels in (clean, flipped, mended)
    ]
    return (*ours, *peer, *accuracies)


def with_wrong_labels(clean: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with some replaced, and which."""
    random = np.random.default_rng(seed)
    names = np.unique(clean)
    wrong = random.choice(len(clean), round(share * len(clean)), replace=False)
    labels = clean.copy()
    for row in wrong.tolist():
        labels[row] = random.choice(names[names != clean[row]])
    return labels, wrong


def figures_of(
    first: np.ndarray, suggested: np.ndarray, clean: np.ndarray, wrong: np.ndarray
) -> tuple[float, float]:
    """Share of the wrong ones among the first rows, and of right suggestions for them."""
    hit = np.intersect1d(first, wrong)
    return len(hit) / len(wrong), float(np.mean(suggested[hit] == clean[hit]))


def by_cleanlab(
    features: np.ndarray, labels: np.ndarray, n_first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Its first rows, and the label that its predictions suggest for each."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names, codes = np.unique(labels, return_inverse=True)
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    probabilities = cross_val_predict(head, features, codes, cv=5, method="predict_proba")
    issues = find_label_issues(codes, probabilities, return_indices_ranked_by="self_confidence")
    rest = np.argsort(get_label_quality_scores(codes, probabilities), kind="stable")
    order = np.concatenate([issues, rest[~np.isin(rest, issues)]])
    return order[:n_first], names[probabilities.argmax(axis=1)]


def accuracy(features: np.ndarray, labels: np.ndarray, validation: FeatureTable) -> float:
    layers = HeadSettings().fit(features, labels).layers
    predicted = np.unique(labels)[layers.logits(validation.features).argmax(axis=1)]
    return float((predicted == validation.labels).mean())


if __name__ == "__main__":
    main()
