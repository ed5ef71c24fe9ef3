"""The number that is explained: the log-odds of a class, log(p / (1 - p)).

Adding a constant to all logits of a head changes no answer, and a head of two classes may keep one
of its logits at zero: a single logit says little, and may have no gradient at all. The log-odds
depend on the answer alone, so that gradients and occlusion explain the same number.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def of_logits(logits: Any, index: Any) -> Any:
    """Of logits (n, n_classes), a tensor, and the number of a class, perhaps a tensor: (n,)."""
    import tensorflow as tf

    is_it = tf.one_hot(index, tf.shape(logits)[1], on_value=True, off_value=False, dtype=tf.bool)
    least = tf.constant(-np.inf, logits.dtype)
    others = tf.reduce_logsumexp(tf.where(is_it, least, logits), axis=1)
    return tf.reduce_sum(tf.where(is_it, logits, tf.zeros_like(logits)), axis=1) - others


def of_probabilities(probabilities: np.ndarray, index: int) -> np.ndarray:
    """Of probabilities float64 (n, n_classes): float64 (n,), at most some 700 either way."""
    least = np.finfo(np.float64).tiny
    others = np.delete(probabilities, index, axis=1).sum(axis=1)
    return np.log(np.maximum(probabilities[:, index], least)) - np.log(np.maximum(others, least))
