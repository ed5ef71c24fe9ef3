"""How much of a class pixels have, and how familiar they are to a head, with gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from . import log_odds

if TYPE_CHECKING:
    from ..classifier.open_set import UnknownRule
    from .network import DifferentiableNetwork

_LEAST: Final = 1e-12
_MORE_ODDS: Final = 0.1
"""What odds beyond the rule's limit count: they must not pay for a picture that is unfamiliar."""
_MOST_DEVIATIONS: Final = 5.0


def familiar_odds(network: DifferentiableNetwork, pixels: Any, number: Any) -> Any:
    """What is climbed so that a head finds a class in pixels, and photographs alike: (n,).

    The log odds of the class alone lead to transfer values that no photograph has, which the head
    calls unknown. This is the score of its rule for that, `UnknownRule.scores`, with the odds of
    the class in place of the greatest, and a little of the odds beyond the limit. Without a rule,
    the log odds.
    """
    assert network.head is not None, "classes are of a head"
    rule = network.head.unknown
    if rule is None:
        return log_odds.of_logits(network.logits(pixels), number)
    import tensorflow as tf

    features = network.features(pixels)
    logits = network.logits_of_features(features)
    logits *= np.float32(network.head.temperature / rule.temperature)
    odds = (log_odds.of_logits(logits, number) - rule.odds_mean) / rule.odds_scale
    return tf.minimum(odds, rule.odds_limit) + _MORE_ODDS * odds - distances(rule, features)


def distances(rule: UnknownRule, features: Any) -> Any:
    """What `UnknownRule.scores` takes from the odds, (n,), of a tensor of features (n, width)."""
    import tensorflow as tf

    # Zero has no slope of the square root: it stays zero.
    directions = tf.sign(features) * tf.sqrt(tf.maximum(tf.abs(features), _LEAST))
    lengths = tf.sqrt(tf.maximum(tf.reduce_sum(directions**2, axis=1, keepdims=True), _LEAST))
    cosines = tf.matmul(directions / lengths, rule.prototypes, transpose_b=True)
    nearest = tf.reduce_min(tf.maximum(1 - cosines, 0) / rule.spreads, axis=1)
    found = (nearest - rule.distance_mean) / rule.distance_scale
    if rule.standardisation is None:
        return found
    mean, scale = rule.standardisation
    off = tf.minimum(tf.abs(features - mean) / scale, _MOST_DEVIATIONS)
    ranges = tf.math.log(tf.maximum(tf.reduce_mean(off**2, axis=1), _LEAST)) / 2
    return tf.maximum(found, (ranges - rule.range_mean) / rule.range_scale)
