"""How many right answers of a head flip when each value of a picture may change a little.

    python benchmarks/adversarial.py clothing/ --extractor efficientnet_lite0 --head logistic
    python benchmarks/adversarial.py clothing/ --extractor efficientnet_lite0 --peer-images 20

A head is trained, and the first images of the validation split, in an order drawn at random, that
it answers rightly are attacked by PGD and by FGSM (`bottlebank.interpret.robustness`): an answer
has flipped where the predictor answers otherwise to the PNG file of the changed picture.

With `--peer-images`, so many of them are attacked within 4/255 by the PGD of the Adversarial
Robustness Toolbox too (`pip install adversarial-robustness-toolbox`), with as many steps of the
same length and on the same network; its pictures are rounded to 8 bits and answered by the same
predictor.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.interpret import open_for_head, robustness
from bottlebank.interpret.attacks.attack import DEFAULT_STEPS, PGD, Attack, Goal
from bottlebank.interpret.attacks.changed_file import answer_to_files
from bottlebank.training.split import split_table

if TYPE_CHECKING:
    from bottlebank.classifier import Head

BUDGETS = ["1/255", "2/255", "4/255", "8/255"]
PEER_LEVELS = 4
LENGTH = 2.5 * PEER_LEVELS / DEFAULT_STEPS


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--head", default="logistic", choices=("logistic", "dense"))
    parser.add_argument("--images", type=int, default=100, help="right answers to attack")
    parser.add_argument("--peer-images", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=["pgd", "fgsm"])
    parser.add_argument("--cache")
    arguments = parser.parse_args()
    print(machine())
    cache = arguments.cache
    table = bb.extract(arguments.data, arguments.extractor, cache=cache)
    head = bb.train_head(table, arguments.head).head
    paths, labels = right_answers(head, table, arguments.images, cache)
    print(f"{arguments.extractor}, {head.kind}: {len(paths)} right answers")
    for method in arguments.methods:
        start = time.perf_counter()
        found = robustness(paths, labels, head, method=method, budgets=BUDGETS, cache=cache)
        seconds = time.perf_counter() - start
        flipped = ", ".join(
            f"{each.flipped} at {each.levels}/255 ({each.flipped_unknown} called unknown)"
            for each in found.at[1:]
        )
        print(f"  {method}: flipped {flipped}; {found.engine}, {seconds:.0f} s", flush=True)
    if arguments.peer_images:
        compare(head, paths[: arguments.peer_images], cache)


def right_answers(
    head: Head, table: bb.FeatureTable, n_images: int, cache: str | None
) -> tuple[list[str], list[str]]:
    """Paths and labels of images that are answered rightly."""
    rows = np.random.default_rng(0).permutation(split_table(table).rows("validation"))
    paths = [str(table.paths[row]) for row in rows]
    predictor = bb.load_predictor(head, cache=cache, many=True)
    said = [each.label for each in predictor.predict_files(paths)]
    right = [
        (path, str(table.labels[row]))
        for path, row, label in zip(paths, rows, said, strict=True)
        if label == table.labels[row]
    ][:n_images]
    return [path for path, _ in right], [label for _, label in right]


def compare(head: Head, paths: list[str], cache: str | None) -> None:
    """The same pictures, budget and steps, by both."""
    network, predictor = open_for_head(head, cache=cache), bb.load_predictor(head, cache=cache)
    pixels = []
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123 (a path may have bytes that are not UTF-8)
            pixels.append(predictor.decode_and_resize(file.read()))
    pixels = np.stack(pixels)

    def answers(pictures: np.ndarray, _: Any = None) -> np.ndarray:
        return answer_to_files(predictor, pictures).probabilities.argmax(axis=1)

    said = answers(pixels)
    start = time.perf_counter()
    attack = Attack(network, answers, method=PGD)
    _, reached = attack(pixels, Goal(said), PEER_LEVELS, np.arange(len(pixels)))
    seconds = time.perf_counter() - start
    print(f"  bottlebank, pgd, 4/255: {reached.sum()} of {len(pixels)}, {seconds:.0f} s")
    start = time.perf_counter()
    changed = by_peer(network, pixels, said)
    seconds = time.perf_counter() - start
    n_flipped = (answers(changed) != said).sum()
    print(f"  ART, pgd, 4/255: {n_flipped} of {len(pixels)}, {seconds:.0f} s")


def by_peer(network: Any, pixels: np.ndarray, said: np.ndarray) -> np.ndarray:
    """What the PGD of the Adversarial Robustness Toolbox makes of pictures, in 8 bits."""
    import tensorflow as tf
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    graph = tf.function(lambda given, training=False: network.logits(given))
    classifier = TensorFlowV2Classifier(
        model=graph,
        nb_classes=len(network.classes),
        input_shape=pixels.shape[1:],
        loss_object=tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0, 255),
    )
    peer = ProjectedGradientDescent(
        classifier,
        eps=PEER_LEVELS,
        eps_step=LENGTH,
        max_iter=DEFAULT_STEPS,
        num_random_init=1,
        batch_size=8,
        verbose=False,
    )
    changed = peer.generate(pixels.astype(np.float32), y=np.eye(len(network.classes))[said])
    return np.rint(changed).astype(np.uint8)


if __name__ == "__main__":
    main()
