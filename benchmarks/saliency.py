"""Whether the maps of `bottlebank look saliency` deserve belief: three checks on photographs.

    python benchmarks/saliency.py clothing/ --extractor efficientnet_lite0 --images 50

A head is trained, and the answers to images of the validation split, in an order drawn at random,
are explained by all three methods.

Completeness: by how much the contributions of integrated gradients miss the difference of the
log-odds. Random weights: the rank correlation of a map and that of the same network with permuted
kernels. Agreement: Spearman's correlation of Grad-CAM and occlusion, both averaged over cells as
wide as the patches move. Chance is the same of the maps of different photographs; the p-value is
that of a permutation test, in which Grad-CAM's maps are dealt out to the photographs anew.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.interpret.attribution import open_explainer
from bottlebank.interpret.attribution.methods import GRADCAM, INTEGRATED, METHODS, OCCLUSION
from bottlebank.interpret.attribution.sanity import rank_correlation
from bottlebank.training.split import split_table

if TYPE_CHECKING:
    from bottlebank.interpret.attribution import Saliency

N_PERMUTATIONS = 9999


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--head", default="logistic", choices=("logistic", "dense"))
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--cache")
    arguments = parser.parse_args()
    print(machine())
    table = bb.extract(arguments.data, arguments.extractor, cache=arguments.cache)
    head = bb.train_head(table, arguments.head).head
    rows = np.random.default_rng(0).permutation(split_table(table).rows("validation"))
    images = [Path(str(table.paths[row])).read_bytes() for row in rows[: arguments.images]]
    print(f"{arguments.extractor}, {head.kind}: {len(images)} photographs", flush=True)
    found = {}
    for method in arguments.methods:
        explain = open_explainer(head, method=method, cache=arguments.cache, progress=False)
        start = time.perf_counter()
        found[method] = [explain(data) for data in images]
        seconds = (time.perf_counter() - start) / len(images)
        print(f"{method}: {seconds:.1f} s per photograph, {explain.engine}", flush=True)
        report(found[method])
    if {GRADCAM, OCCLUSION} <= found.keys():
        agreement(found[GRADCAM], found[OCCLUSION])


def report(explained: list[Saliency]) -> None:
    """Random weights, and completeness where there is such a thing."""
    sanity = np.array([each.sanity for each in explained if each.sanity is not None])
    if len(sanity):
        print(
            f"  random weights: mean {sanity.mean():.3f}, absolute at most "
            f"{np.abs(sanity).max():.3f}; {(np.abs(sanity) < 0.3).sum()} of {len(sanity)} below 0.3"
        )
    sizes = np.array(
        [each.sanity_of_sizes for each in explained if each.sanity_of_sizes is not None]
    )
    if len(sizes):
        print(f"  random weights, of sizes: mean {sizes.mean():.3f}, most {sizes.max():.3f}")
    if explained[0].method == INTEGRATED:
        missed = np.array([each.settings["completeness_error"] or 0 for each in explained])
        steps = np.array([each.settings["steps"] for each in explained])
        print(
            f"  completeness: {(missed <= 0.01).sum()} of {len(missed)} within 1 %, median "
            f"{np.median(missed):.2%}, worst {missed.max():.2%}; steps: median "
            f"{np.median(steps):.0f}, most {steps.max()}",
            flush=True,
        )


def agreement(by_gradcam: list[Saliency], by_occlusion: list[Saliency]) -> None:
    """Of two methods, against the maps of other photographs."""
    stride_px = by_occlusion[0].settings["stride_px"]
    matched, others, p_value = compared(
        [cells(each.values, stride_px) for each in by_gradcam],
        [cells(each.values, stride_px) for each in by_occlusion],
    )
    print(
        f"Grad-CAM and occlusion: mean {matched.mean():.3f}, positive on "
        f"{(matched > 0).sum()} of {len(matched)}; different photographs {others:.3f}; "
        f"p = {p_value:.4f}"
    )


def cells(values: np.ndarray, side_px: int) -> np.ndarray:
    """Means over squares; what is left over at the right and at the bottom is left out."""
    rows, columns = (length // side_px for length in values.shape)
    kept = values[: rows * side_px, : columns * side_px]
    return kept.reshape(rows, side_px, columns, side_px).mean((1, 3))


def compared(first: list[np.ndarray], second: list[np.ndarray]) -> tuple[np.ndarray, float, float]:
    """Correlations of pairs, the mean of those that do not belong together, and a p-value."""
    every = np.array([[rank_correlation(one, other) for other in second] for one in first], float)
    n_images = len(every)
    matched = np.diag(every)
    others = (every.sum() - matched.sum()) / (n_images * (n_images - 1))
    random = np.random.default_rng(0)
    dealt = [
        every[random.permutation(n_images), range(n_images)].mean() for _ in range(N_PERMUTATIONS)
    ]
    as_high = (np.array(dealt) >= matched.mean()).sum()
    return matched, float(others), float((1 + as_high) / (1 + N_PERMUTATIONS))


if __name__ == "__main__":
    main()
