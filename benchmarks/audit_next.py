"""Labels that are needed when `bottlebank audit --next` chooses what is labelled, and at random.

    python benchmarks/audit_next.py clothing/ --extractor efficientnet_lite0

Five photographs of each class have a label at first, drawn at random; then 50 more are labelled at
a time, until the photographs of the validation folder are predicted with the accuracy that is
asked for, and what each round adds is printed. The number of labels at which it is reached is
interpolated between rounds. Both ways begin with the same photographs, and train the same heads.
"""

from __future__ import annotations

import argparse

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.auditing.next_to_label import next_to_label, uncertainty
from bottlebank.extraction import FeatureTable
from bottlebank.training.head_settings import HeadSettings
from bottlebank.training.judged import judge


def main() -> None:
    parser = argparse.ArgumentParser(description="Labels until an accuracy is reached.")
    parser.add_argument("data", metavar="DATA", help="with train and validation folders")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--accuracy", type=float, default=0.75)
    parser.add_argument("--next", type=int, default=50)
    parser.add_argument("--per-class", type=int, default=5)
    parser.add_argument("--most", type=int, default=600, help="labels, at which it ends")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache")
    given = parser.parse_args()
    table = bb.extract(given.data, given.extractor, cache=given.cache)
    splits = np.array([str(split) for split in table.splits])
    train = table.some(np.flatnonzero(splits == "train"))
    validation = table.some(np.flatnonzero(splits == "validation"))
    print(machine())
    print(f"until {given.accuracy:.2f} of {len(validation)} photographs are right")
    needed: dict[str, list[float]] = {"next": [], "random": []}
    for seed in range(given.seeds):
        first = begun(train.labels, given.per_class, seed)
        for name, numbers in needed.items():
            counts, reached = grow(train, validation, first, name, seed, given)
            numbers.append(labels_needed(counts, reached, given.accuracy))
            rounds = ", ".join(
                f"{n}: {value:.3f}" for n, value in zip(counts, reached, strict=True)
            )
            print(f"seed {seed}, {name}: {numbers[-1]:.0f} labels ({rounds})", flush=True)
    means = {name: float(np.mean(numbers)) for name, numbers in needed.items()}
    ratios = np.divide(needed["random"], needed["next"])
    print(f"mean: {means['next']:.0f} labels with --next, {means['random']:.0f} at random")
    print(
        f"random over --next: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; of the means "
        f"{means['random'] / means['next']:.2f}"
    )


def begun(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate(
        [
            random.choice(np.flatnonzero(labels == name), per_class, replace=False)
            for name in np.unique(labels)
        ]
    )


def grow(
    train: FeatureTable,
    validation: FeatureTable,
    first: np.ndarray,
    name: str,
    seed: int,
    given: argparse.Namespace,
) -> tuple[list[int], list[float]]:
    """Numbers of labels, and the accuracy with each."""
    random = np.random.default_rng([seed, 1])
    labelled = first
    counts: list[int] = []
    reached: list[float] = []
    while len(labelled) <= given.most and (not reached or reached[-1] < given.accuracy):
        if counts:
            pool = np.setdiff1d(np.arange(len(train)), labelled)
            if name == "random":
                chosen = random.choice(pool, given.next, replace=False)
            else:
                known = np.full(len(train), "", train.labels.dtype)
                known[labelled] = train.labels[labelled]
                uncertain = uncertainty(judge(train.with_labels(known)).probabilities)
                chosen = next_to_label(train.features, pool, labelled, uncertain, given.next, seed)
            labelled = np.concatenate([labelled, chosen])
        layers = HeadSettings().fit(train.features[labelled], train.labels[labelled]).layers
        names = np.unique(train.labels[labelled])
        predicted = names[layers.logits(validation.features).argmax(axis=1)]
        counts.append(len(labelled))
        reached.append(float((predicted == validation.labels).mean()))
    return counts, reached


def labels_needed(counts: list[int], reached: list[float], wanted: float) -> float:
    """Interpolated between the last two rounds; infinite where it was not reached."""
    if reached[-1] < wanted:
        return float("inf")
    if len(counts) == 1:
        return float(counts[0])
    share = (wanted - reached[-2]) / (reached[-1] - reached[-2])
    return counts[-2] + share * (counts[-1] - counts[-2])


if __name__ == "__main__":
    main()
