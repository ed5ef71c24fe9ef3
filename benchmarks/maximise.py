"""Whether maximised pictures excite more than photographs, and are predicted as their class.

    python benchmarks/maximise.py photos/ --head head.h5
    python benchmarks/maximise.py photos/ --extractor mobilenet_v2 \
        --layer block_6_expand_relu --layer out_relu

With `--head`, a picture is made for each class; `predict_files`, by the engine that it chooses for
itself, reads the PNG files and says what they show. With `--layer`, pictures are made for
`--units` units of each layer, drawn at random, and compared with so many photographs, drawn at
random too, of which the most exciting counts. All activations are those of 8-bit pixels. The time
of a picture is the mean over all of one layer or head.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.errors import ImageRejectedError
from bottlebank.interpret import maximise, open_for_extractor, open_for_head

if TYPE_CHECKING:
    from bottlebank.interpret.network import DifferentiableNetwork

_N_TOGETHER = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="photographs")
    parser.add_argument("--head", help="a head, for its classes")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--layer", action="append", default=[])
    parser.add_argument("--units", type=int, default=2, help="of each layer")
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--cache")
    given = parser.parse_args()
    print(machine())
    with TemporaryDirectory() as folder:
        if given.head:
            classes(given.head, given.cache, Path(folder))
        if given.layer:
            network = open_for_extractor(given.extractor, cache=given.cache)
            units(network, given.layer, given.units, drawn(given.data, given.photographs))


def classes(head: str, cache: str | None, folder: Path) -> None:
    """Make a picture for each class, and let `predict_files` say what it shows."""
    network = open_for_head(head, cache=cache)
    start = time.monotonic()
    made = maximise(network, classes=network.classes, keep=folder).pictures
    seconds = (time.monotonic() - start) / len(made)
    predictor = bb.load_predictor(head, cache=cache)
    n_right = 0
    for each in made:
        (answer,) = predictor([str(each.path)])
        n_right += answer.label == each.target
        print(f"class {each.target}: {answer.label}, {answer.probability:.4f}, {answer.unknown=}")
    print(f"{n_right} of {len(made)} classes are predicted; {seconds:.1f} s a picture", flush=True)


def drawn(data: str, n: int) -> list[str]:
    """The paths of so many photographs."""
    paths = bb.load_dataset(data).paths
    chosen = np.random.default_rng(0).choice(len(paths), min(n, len(paths)), replace=False)
    return [paths[place] for place in chosen.tolist()]


def units(network: DifferentiableNetwork, layers: list[str], n: int, paths: list[str]) -> None:
    """Compare pictures of units with photographs."""
    greatest = of_photographs(network, layers, paths)
    for layer in layers:
        values = greatest[layer]
        chosen = np.random.default_rng(1).choice(len(values), n, replace=False).tolist()
        start = time.monotonic()
        made = maximise(network, layer=layer, units=chosen).pictures
        seconds = (time.monotonic() - start) / len(made)
        for each in made:
            of_best = float(values[int(each.target)])
            print(
                f"{layer}, unit {each.target}: {each.score:.3f}, best of {len(paths):,} "
                f"photographs {of_best:.3f}, {'more' if each.score > of_best else 'NOT more'}"
            )
        print(f"{layer}: {seconds:.1f} s a picture", flush=True)


def of_photographs(
    network: DifferentiableNetwork, layers: list[str], paths: list[str]
) -> dict[str, np.ndarray]:
    """Of each layer, the greatest activation of each unit among photographs."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def pooled(pixels):
        outputs, _ = network.outputs(tf.cast(pixels, tf.float32), layers)
        return [tf.reduce_max(tf.reduce_mean(each, axis=(1, 2)), axis=0) for each in outputs]

    found: dict[str, np.ndarray] = {}
    for start in range(0, len(paths), _N_TOGETHER):
        pixels = []
        for path in paths[start : start + _N_TOGETHER]:
            try:
                pixels.append(network.decode(Path(path).read_bytes()))
            except ImageRejectedError as error:
                print(f"left out: {path}: {error}")
        for layer, values in zip(layers, pooled(np.stack(pixels)), strict=True):
            found[layer] = np.maximum(found.get(layer, -np.inf), values.numpy())
    return found


if __name__ == "__main__":
    main()
