"""What views bring, against heads and predictions without them, on the same images.

python benchmarks/views.py photos/ --extractor efficientnet_lite0

Heads are trained on all images of the train split, or on a few of each class, drawn several times.
Each is judged on the images that it has not seen: the other splits or, where few are trained on,
all others. p is of McNemar's exact test against the head without views on the same images; with
several draws, the least and the greatest gain of one stand in its place.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.classifier.layers import softmax
from bottlebank.classifier.metrics.comparison import mcnemar
from bottlebank.classifier.training_rows import training_rows
from bottlebank.datasets.splits import TRAIN
from bottlebank.training.head_settings import HeadSettings
from bottlebank.training.split import split_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bottlebank.classifier.layers import Fitted


class Trial(NamedTuple):
    """Heads that were trained on some images."""

    right: dict[tuple[int, int], np.ndarray]
    """By views in training and in prediction: which of the others are right."""
    log_loss: dict[int, float]
    """By views in training, of the images themselves."""
    seconds: dict[int, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a dataset, as for `bottlebank extract`")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4, 9])
    parser.add_argument("--view-rule", default="mixed")
    parser.add_argument("--few", type=int, nargs="*", default=[5, 20], help="images of each class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--head", default="logistic")
    parser.add_argument("--cache", help="where rows are kept (default: a new one, and it is timed)")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as empty:
        cache = arguments.cache or empty
        table = extracted(arguments, cache)
        table.features  # noqa: B018 (read once)
        views = table.view_features()
    train = split_table(table).rows(TRAIN)
    counts = [0, *arguments.views]
    for few in (*arguments.few, None):
        draws = [train] if few is None else list(drawn(table, few, arguments.draws))
        trials = [
            tried(table, views, rows, train if few is None else rows, counts, arguments.head)
            for rows in draws
        ]
        tell(trials, f"{len(train)} images" if few is None else f"{few} images of each class")


def extracted(arguments: argparse.Namespace, cache: str) -> bb.FeatureTable:
    """The table with the most views, after those with fewer, which are timed."""
    dataset = bb.load_dataset(arguments.data)
    print("| views | rows | computed now | s | processor s | images/s |\n|---|---|---|---|---|---|")
    most = max(arguments.views)
    for n_views in [0, *arguments.views, most]:
        start, before = time.perf_counter(), processor_s()
        table = bb.extract(
            dataset,
            arguments.extractor,
            cache=cache,
            views=n_views,
            view_rule=arguments.view_rule,
            progress=False,
        )
        seconds, report = time.perf_counter() - start, table.report
        print(
            f"| {n_views} | {report.rows} | {report.rows_extracted} | {seconds:.1f} | "
            f"{processor_s() - before:.1f} | "
            f"{report.images_per_second or '–'} |",
            flush=True,
        )
    return table


def processor_s() -> float:
    """Of this process and of those that it has waited for, such as workers."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def drawn(table: bb.FeatureTable, few: int, n_draws: int) -> list[np.ndarray]:
    """So many images of each class, in several draws."""
    found = []
    for draw in range(n_draws):
        random = np.random.default_rng(draw)
        of_class = [np.flatnonzero(table.labels == name) for name in np.unique(table.labels)]
        found.append(np.concatenate([random.permutation(rows)[:few] for rows in of_class]))
    return found


def tried(
    table: bb.FeatureTable,
    views: np.ndarray,
    rows: np.ndarray,
    seen: np.ndarray,
    counts: Sequence[int],
    head: str,
) -> Trial:
    """Train on some images with and without views, and predict those that were not seen."""
    others = np.setdiff1d(np.arange(len(table)), seen)
    labels = table.labels[others]
    trial = Trial({}, {}, {})
    for n_views in counts:
        given = training_rows(table.features[rows], table.labels[rows], None, views[rows, :n_views])
        start = time.perf_counter()
        fitted = HeadSettings(head).fit(
            given.features, given.labels, sample_weight=given.weights, groups=given.groups
        )
        trial.seconds[n_views] = time.perf_counter() - start
        classes = np.unique(given.labels)
        of_each = [predicted(fitted, table.features[others])]
        of_each += [predicted(fitted, views[others, view]) for view in range(max(counts))]
        own = of_each[0][np.arange(len(others)), np.searchsorted(classes, labels)]
        trial.log_loss[n_views] = float(-np.log(np.maximum(own, 1e-12)).mean())
        for n_seen in counts:
            mean = np.mean(of_each[: 1 + n_seen], axis=0)
            trial.right[n_views, n_seen] = classes[mean.argmax(axis=1)] == labels
    return trial


def predicted(fitted: Fitted, features: np.ndarray) -> np.ndarray:
    return softmax(fitted.layers.logits(features))


def tell(trials: Sequence[Trial], title: str) -> None:
    """A table: accuracies in %, over all draws."""
    counts = sorted(trials[0].log_loss)
    draws = f", {len(trials)} draws" if len(trials) > 1 else ""
    n_others = len(trials[0].right[0, 0])
    print(f"\nTrained on {title}{draws}; {n_others} others; accuracy in %, p against 0 and 0 views")
    print("| trained on | " + " | ".join(f"predicted with {n}" for n in counts) + " | loss | s |")
    print("|---|" + "---|" * (len(counts) + 2))
    for n_views in counts:
        cells = [cell(trials, (n_views, n_seen)) for n_seen in counts]
        loss = np.mean([trial.log_loss[n_views] for trial in trials])
        seconds = np.median([trial.seconds[n_views] for trial in trials])
        print(f"| {n_views} | {' | '.join(cells)} | {loss:.4f} | {seconds:.1f} |", flush=True)


def cell(trials: Sequence[Trial], pair: tuple[int, int]) -> str:
    accuracy = np.mean([trial.right[pair].mean() for trial in trials])
    p_values = [mcnemar(trial.right[pair], trial.right[0, 0]) for trial in trials]
    if pair == (0, 0):
        return f"{100 * accuracy:.2f}"
    gains = [trial.right[pair].mean() - trial.right[0, 0].mean() for trial in trials]
    if len(trials) == 1:
        return f"{100 * accuracy:.2f} (p {p_values[0]:.2f})"
    return f"{100 * accuracy:.2f} ({100 * min(gains):+.1f} to {100 * max(gains):+.1f})"


if __name__ == "__main__":
    main()
