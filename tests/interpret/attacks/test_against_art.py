"""The Adversarial Robustness Toolbox as oracle: the same step, and no fewer answers that flip."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

import bottlebank
from bottlebank.interpret.attacks.attack import DEFAULT_STEPS, FGSM, PGD, Attack, Goal
from bottlebank.interpret.attacks.changed_file import answer_to_files
from bottlebank.interpret.opening import open_for_head

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("art") is None,
        reason="pip install adversarial-robustness-toolbox, into another environment: it brings "
        "libraries that nothing else here needs",
    ),
    # Of the libraries that ART looks for, and of NumPy, when it is imported.
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture
def evasion():
    """The attacks of ART."""
    from art.attacks import evasion

    return evasion


@pytest.fixture(params=["logistic", "dense"])
def network(request, table, cache):
    return open_for_head(bottlebank.train_head(table, request.param).head, cache=cache)


@pytest.fixture
def answers(network, cache):
    """What `predict` says of pictures: classes as int, (n,)."""
    predictor = bottlebank.load_predictor(network.head, cache=cache)

    def of_files(pictures, _=None):
        return answer_to_files(predictor, pictures).probabilities.argmax(axis=1)

    return of_files


@pytest.fixture
def pixels(network, table):
    """Pictures of each class, uint8 (n, height, width, 3)."""
    decoded = []
    for path in table.paths[::5]:
        with open(path, "rb") as file:
            decoded.append(network.decode(file.read()))
    return np.stack(decoded)


def classifier_of(network, shape, loss):
    """The same network and head as ART takes them."""
    import tensorflow as tf
    from art.estimators.classification import TensorFlowV2Classifier

    return TensorFlowV2Classifier(
        model=tf.function(lambda given, training=False: network.logits(given)),
        nb_classes=len(network.classes),
        input_shape=shape,
        loss_object=loss,
        clip_values=(0, 255),
    )


def margin_lost(labels, logits):
    """By how much another class is ahead of the label's: the loss that `Attack` raises."""
    import tensorflow as tf

    its = tf.reduce_sum(labels * logits, axis=1)
    return tf.reduce_max(tf.where(labels > 0, -np.inf, logits), axis=1) - its


@pytest.mark.parametrize("is_targeted", [False, True])
def test_one_step_of_fgsm_is_that_of_art(evasion, network, answers, pixels, is_targeted):
    n_classes, levels = len(network.classes), 3
    classes = (answers(pixels) + is_targeted) % n_classes
    ours, _ = Attack(network, lambda changed, _: answers(changed), method=FGSM)(
        pixels, Goal(classes, is_targeted), levels, np.arange(len(pixels))
    )
    theirs = evasion.FastGradientMethod(
        classifier_of(network, pixels.shape[1:], margin_lost), eps=levels, targeted=is_targeted
    ).generate(pixels.astype(np.float32), y=np.eye(n_classes, dtype=np.float32)[classes])
    theirs = np.rint(theirs).astype(np.uint8)
    # Where the step leads away from the goal, what came closest to it is the picture as it was.
    stepped = (ours != pixels).any(axis=(1, 2, 3))
    assert stepped.mean() > 0.8
    same = ours[stepped] == theirs[stepped]
    assert same.mean() > 0.999  # the sign of a gradient of nearly 0 is a matter of rounding
    assert np.abs(theirs[stepped].astype(int) - pixels[stepped]).max() == levels


@pytest.mark.parametrize("levels", [4, 16])
def test_no_fewer_answers_flip_than_by_the_pgd_of_art(evasion, network, answers, pixels, levels):
    import tensorflow as tf

    said = answers(pixels)
    changed, reached = Attack(network, answers, method=PGD)(
        pixels, Goal(said), levels, np.arange(len(pixels))
    )
    np.testing.assert_array_equal(reached, answers(changed) != said)
    assert np.abs(changed.astype(int) - pixels).max() <= levels
    peer = evasion.ProjectedGradientDescent(
        classifier_of(
            *(network, pixels.shape[1:]), tf.keras.losses.CategoricalCrossentropy(from_logits=True)
        ),
        eps=levels,
        eps_step=2.5 * levels / DEFAULT_STEPS,
        max_iter=DEFAULT_STEPS,
        num_random_init=0,  # its random starts take no seed
        verbose=False,
    )
    theirs = peer.generate(pixels.astype(np.float32), y=np.eye(len(network.classes))[said])
    assert np.abs(theirs - pixels).max() <= levels + 1e-3
    by_peer = answers(np.rint(theirs).astype(np.uint8)) != said
    assert reached.sum() >= by_peer.sum()
