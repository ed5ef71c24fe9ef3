"""An evaluation as JSON values: what `bottlebank evaluate --json` prints and a report keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..training.dataset_problems import contradictions, describe, near_pairs

if TYPE_CHECKING:
    import numpy as np

    from ..classifier import Head
    from ..classifier.metrics.comparison import Paired
    from ..extraction import FeatureTable
    from ..training.evaluate import SplitEvaluation


def describe_evaluation(
    head: Head, table: FeatureTable, evaluated: SplitEvaluation
) -> dict[str, Any]:
    """JSON values: figures, mistakes, near-duplicates, contradictions and rejections.

    Parameters
    ----------
    head, table
        What was evaluated, on what.
    evaluated
        From `training.evaluate_split`.

    Returns
    -------
    dict
        What `bottlebank evaluate --json` prints, and a report keeps as ``evaluation.json``.
    """
    seen, better = evaluated.trained_on, evaluated.cross_validated
    alone = evaluated.without_views
    answer = {
        "split": evaluated.name,
        **evaluated.evaluation.as_dict(),
        "unknown": int(evaluated.answer.unknown.sum()),
        "views": table.n_views if alone is not None else 0,
        "without_views": None if alone is None else _without_views(alone),
        "trained_on": None if seen is None else seen.as_dict(),
        "mistakes": _mistakes(head, table, evaluated.rows, evaluated.answer.probabilities),
        "near_duplicates": describe(near_pairs(evaluated.split), table, evaluated.split),
        "contradictions": describe(contradictions(table, evaluated.split), table, evaluated.split),
        "rejections": [{"path": path, "reason": reason} for path, reason in table.rejected],
    }
    if better is None:
        return {**answer, "cross_validated": None}
    listed = _mistakes(head, table, better.rows, better.probabilities)
    return {"cross_validated": {**better.as_dict(), "mistakes": listed}, **answer}


def _without_views(found: Paired) -> dict[str, Any]:
    return {
        "accuracy": found.before,
        "gained": found.gained,
        "lost": found.lost,
        "p_value": found.p_value,
    }


def _mistakes(
    head: Head, table: FeatureTable, rows: np.ndarray, probabilities: np.ndarray
) -> list[dict[str, Any]]:
    """Images that are taken for another class, the most confident first."""
    found = []
    for row, column, sure in zip(
        rows.tolist(),
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).tolist(),
        strict=True,
    ):
        label, predicted = str(table.labels[row]), head.classes[column]
        if label != predicted:
            place = {"path": table.paths[row], "label": label}
            found.append({**place, "predicted": predicted, "probability": sure})
    return sorted(found, key=lambda mistake: -mistake["probability"])
